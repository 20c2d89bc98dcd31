-- Lists of columns in the order of the structs' fields; "{link_columns}" in any query stands for them.

-- name: item_columns
item.id, item.entity, item.version, item.fields, item.set_by, item.deleted_at, item.alias_of

-- name: link_columns
link.id, link.flow, link.system, link.resource, link.key, link.item, link.state, link.base, link.far, link.far_version,
    link.digest, link.conflicts, link.not_held, link.unseen, link.intent, link.doom, link.due_at, link.attempts,
    link.problem, link.waits_for, link.seen_at, link.written_at, link.agreed_at

-- name: journal_columns
journal.item, journal.version, journal.changes, journal.cause, journal.at

-- name: effect_columns
effect.link, effect.item, effect.flow, effect.system, effect.resource, effect.key, effect.kind, effect.changes,
    effect.outcome, effect.message, effect.at, effect.seconds

-- name: inbox_columns
inbox.id, inbox.kind, inbox.subject, inbox.flow, inbox.summary, inbox.detail, inbox.choices, inbox.opened_at,
    inbox.decided_at, inbox.decision, inbox.decided_by

-- name: process_columns
process.id, process.name, process.input, process.state, process.version, process.step, process.question, process.who,
    process.since, process.wake_at, process.attempts, process.result, process.problem, process.started_at

-- name: feed_columns
feed.system, feed.resource, feed.cursor, feed.scan_cursor, feed.scan_started, feed.scan_feed_cursor, feed.scanned_at,
    feed.scanned_for, feed.polled_at, feed.changed_at, feed.failing_since, feed.problem

-- name: drift_columns
drift.id, drift.kind, drift.flow, drift.system, drift.resource, drift.key, drift.item, drift.link, drift.fields,
    drift.found_at

-- name: flow_version_columns
flow_version.flow, flow_version.number, flow_version.file, flow_version.content, flow_version.pack,
    flow_version.ran_at, flow_version.noted_at, flow_version.by

-- name: far_field_columns
far_field.system, far_field.resource, far_field.name, far_field.type, far_field.former_type, far_field.changed_at,
    far_field.gone_at
