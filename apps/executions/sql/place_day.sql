-- Give a day a partition of one table, with the rows that lie in the default one. -1: there are too many for one go.
SELECT executions_place_day(%(parent)s, %(day)s, %(most)s)
