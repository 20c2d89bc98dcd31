-- Number ranges of documents that the hub makes itself.
create table number_range (
    name text primary key,
    last bigint not null
);
comment on table number_range is 'Numbers of documents that the hub makes: the last one given of each range.';
