"""The API's contract, written by hand from its prose and apart from the code that fulfils it.

`schemas` says what each payload must be, `records` makes the rows that payloads are made of, `client` asks as a member.
"""
