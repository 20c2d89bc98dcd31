-- One index finds records by system, resource and key, and keeps them single in each flow: there were two, and every
-- write of a link paid for both.
alter table link drop constraint link_record;
drop index link_by_record;
alter table link add constraint link_record unique (system, resource, key, flow) deferrable initially immediate;
