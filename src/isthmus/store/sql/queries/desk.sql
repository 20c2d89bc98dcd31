-- Simulated orders, and numbers of documents.

-- name: add_simulation
insert into simulation (id, asked, truth, made_at, expires_at, client_key, "order")
select id, asked, truth, made_at, expires_at, client_key, "order"
from jsonb_to_recordset(%(rows)s) as given (
    id text, asked jsonb, truth jsonb, made_at timestamptz, expires_at timestamptz, client_key text, "order" text);

-- name: simulation
select id, asked, truth, made_at, expires_at, client_key, "order" from simulation where id = %(id)s for update;

-- name: simulation_by_key
select id, asked, truth, made_at, expires_at, client_key, "order" from simulation where client_key = %(client_key)s;

-- name: simulation_by_order
select id, asked, truth, made_at, expires_at, client_key, "order" from simulation where "order" = %(item)s;

-- name: simulation_placed
update simulation set "order" = %(order)s, client_key = coalesce(%(client_key)s, client_key) where id = %(id)s;

-- name: forget_simulations
delete from simulation where "order" is null and made_at < %(before)s and expires_at < %(before)s;

-- name: next_number
insert into number_range as known (name, last) values (%(name)s, 1)
on conflict (name) do update set last = known.last + 1
returning last;
