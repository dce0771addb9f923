INSERT INTO leadership_schedulerevent (
  event_type, tenant_id, epoch, event_date, created_at, check_cycle_number, check_interval_minutes,
  previous_interval_minutes, new_interval_minutes, tasks_found, tasks_executed, tasks_failed, tasks_by_type,
  check_duration_seconds, active_strategies_count, active_executions, job_id, job_type, user_id, legacy_user_id,
  event_data, error_message)
VALUES (
  %(event_type)s, %(tenant_id)s, %(epoch)s, coalesce(%(event_date)s, clock_timestamp()), clock_timestamp(),
  %(check_cycle_number)s, %(check_interval_minutes)s, %(previous_interval_minutes)s, %(new_interval_minutes)s,
  %(tasks_found)s, %(tasks_executed)s, %(tasks_failed)s, %(tasks_by_type)s, %(check_duration_seconds)s,
  %(active_strategies_count)s, %(active_executions)s, %(job_id)s, %(job_type)s, %(user_id)s, %(legacy_user_id)s,
  %(event_data)s, %(error_message)s)
