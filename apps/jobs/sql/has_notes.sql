-- Whether completions have left anything for the cursors. Read before a transaction is begun for it.
SELECT EXISTS (SELECT FROM executions_outcomenote)
