-- A create whose outcome is unknown may be unwanted by the time: when its record turns up, it is only set apart.
alter table link drop constraint link_doom_check;
alter table link add constraint link_doom_check check (doom in ('delete', 'archive', 'unlink'));
