-- Orders that were simulated: what was asked, what the ERP said, and which order came of it.
create table simulation (
    id text primary key,
    asked jsonb not null,
    truth jsonb not null,
    made_at timestamptz not null,
    expires_at timestamptz not null,
    client_key text unique,
    "order" text
);
comment on table simulation is 'Orders before they are made: what was asked and what the ERP said of it.';
comment on column simulation.client_key is 'The client''s own key: placed twice with the same one, it is one order.';
comment on column simulation."order" is 'The item that it became.';
create index simulation_order on simulation ("order") where "order" is not null;
create index simulation_made on simulation (made_at) where "order" is null;
