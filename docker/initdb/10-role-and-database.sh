#!/bin/bash
# The application's role is a plain one: a superuser (as POSTGRES_USER is) would see through row security, and the
# application refuses to start as one. Runs once, when the data directory is new.
set -euo pipefail

psql -v ON_ERROR_STOP=1 -v password="$SCHEDULER_DB_PASSWORD" -U "$POSTGRES_USER" -d postgres <<'SQL'
CREATE ROLE scheduler LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE DATABASE scheduler OWNER scheduler;
REVOKE CONNECT, TEMPORARY ON DATABASE scheduler FROM PUBLIC;
SQL
