#!/bin/sh
# docs/operations.md, "Backup and restore".
#   backup.sh dump URL FILE       URL: a role that bypasses row security (BYPASSRLS, or a superuser)
#   backup.sh restore FILE URL    URL: a new, empty database of the application's role, as that role
set -eu

# One snapshot of the whole database, readable by no one else.
dump() {
    umask 077
    pg_dump --format=custom --no-owner --no-privileges --file="$2.partial" --dbname="$1"
    mv "$2.partial" "$2"
}

# All of it or nothing. Rows come before the policies that protect them, so the application's role can restore.
restore() {
    if [ "$(psql -XAtq -d "$2" -c "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")" != 0 ]; then
        echo "The database to restore into is not empty." >&2
        exit 1
    fi
    pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname="$2" "$1"
    psql -XAtq -v ON_ERROR_STOP=1 -d "$2" -c "ANALYZE"
}

case "${1:-} $#" in
    "dump 3") dump "$2" "$3" ;;
    "restore 3") restore "$2" "$3" ;;
    *) sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
