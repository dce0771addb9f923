-- The finished executions of a user: how many, and the latest of them. A row is of whom its string names, else its integer.
WITH own AS MATERIALIZED (
    SELECT id, scheduled_for
    FROM executions_executionlog
    WHERE tenant_id = %(tenant_id)s AND (
        user_id IN (%(form)s, %(text)s, (%(number)s::bigint)::text)
        OR user_id IS NULL AND legacy_user_id = %(number)s::bigint
    )
)
SELECT (SELECT count(*) FROM own),
    ARRAY(SELECT id FROM own ORDER BY scheduled_for DESC, id DESC LIMIT %(size)s)
