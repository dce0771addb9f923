-- Charge executions that a request asks for, and hold its tenant's two rows until the transaction ends: whoever asks at the
-- same time waits here, and then sees them counted. A refusal rolls the charge back.
INSERT INTO executions_usage AS usage (tenant_id, period, begins, by, n)
VALUES
    (%(tenant_id)s, 'day', %(day)s, 'request', %(n)s),
    (%(tenant_id)s, 'minute', %(minute)s, 'request', %(n)s)
ON CONFLICT (tenant_id, period, begins, by) DO UPDATE SET n = usage.n + excluded.n
