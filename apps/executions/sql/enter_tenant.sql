-- Until the transaction ends, see what this tenant sees and no more: outputs are shown to nobody else, not even to be
-- deleted.
SELECT set_config('search_path', quote_ident(%(schema_name)s) || ', public', true),
       set_config('scheduler.all_tenants', 'off', true)
