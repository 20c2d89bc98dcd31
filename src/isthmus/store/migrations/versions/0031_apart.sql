-- Creates that were sent and set apart before their outcome was known: asked for at each first contact.
create index link_apart on link (flow, system) where state = 'unlinked' and key is null;
