-- What fields far systems have.

-- name: far_fields
select {far_field_columns} from far_field order by system, resource, name;

-- name: save_far_fields
insert into far_field
select given.system, given.resource, given.name, given.type, given.former_type, given.changed_at, given.gone_at
from jsonb_to_recordset(%(rows)s) as given (
    system text, resource text, name text, type text, former_type text, changed_at timestamptz, gone_at timestamptz)
on conflict (system, resource, name) do update set
    type = excluded.type, former_type = excluded.former_type, changed_at = excluded.changed_at,
    gone_at = excluded.gone_at;

-- name: read_anew
-- Without digests every record is taken in again, whether it changed or not; nothing else is touched.
with forgotten as (
    update link set digest = null where system = %(system)s and resource = %(resource)s and state = 'linked')
update feed set scanned_for = '' where system = %(system)s and resource = %(resource)s;
