"""The dialects of the twin as a user would describe them."""

MODERN = """
product: Modern CRM
auth: {kind: bearer}
errors: {message: [error.message], field: error.field}
resources:
  contacts:
    path: /v1/contacts
    version: rev
    deleted: deleted
    list:
      records: data
      paging: {kind: cursor, path: meta.next, size: 3, size_name: limit}
    changed: {query: updated_since, overlap: 2s}
    get: {record: data}
    create: {body: data, record: data}
    update: {body: data, record: data}
    delete: {}
    guard: {field: rev, status: 409}
    idempotency_header: Idempotency-Key
    token: {field: attributes.ref, query: ref}
    fields:
      name: {type: text, path: attributes.name}
      note: {type: text, path: attributes.note}
      limit: {type: decimal, path: attributes.limit}
      tags: {type: list, path: attributes.tags}
      changed_at: {type: datetime, path: updatedAt, readonly: true}
webhook:
  signature: {header: X-Signature, format: "t={time},v1={mac}", signed: "{time}.{body}"}
  resource: type
  resources: {contact.changed: contacts}
  key: data.id
  subscribe: {path: /v1/hooks, body: {url: "{url}", secret: "{secret}", events: all}}
"""

CLASSIC = """
product: Classic CRM
auth: {kind: basic}
headers: {Accept: application/json}
resources:
  contacts:
    path: /api/contacts/
    key: pk
    version_header: ETag
    list:
      records: results
      paging: {kind: offset, size: 4, size_name: limit, total: count}
      partial: true
    get: {path: "/api/contacts/{key}/", record: item}
    create: {body: item, location: true}
    update: {method: PUT, body: item, whole: true}
    delete: {}
    guard: {header: If-Match}
    token: {field: ref}
    fields:
      name: text
      note: text
      limit: {type: decimal, send: number}
      since: {type: date, format: "%d.%m.%Y"}
  payments:
    path: "/api/contacts/{parent}/payments/"
    key: pk
    parent: {resource: contacts, field: contact}
    list:
      records: results
      paging: {kind: offset, size: 2, size_name: limit}
      partial: true
    get: {path: "/api/contacts/{parent}/payments/{key}/", record: item}
    create: {body: item, location: true}
    token: {field: ref}
    fields: {name: text, limit: {type: decimal, send: number}}
"""

PLAIN = """
product: Plain
auth:
  kind: login
  path: /open/login
  body: {user: "{username}", pass: "{password}"}
  token: session.id
  header: X-Session
  value: "{token}"
resources:
  contacts:
    path: /contact
    key: "no"
    list:
      paging: {kind: page, first: 0, size: 3, size_name: per}
    changed: {query: since, format: unix_ms, overlap: 2s}
    bulk_get: {query: "no", separator: "", size: 5}
    get: {path: "/contact?no={key}"}
    update: {method: POST, path: "/contact/{key}/edit"}
    delete: {path: "/contact/{key}"}
    bulk_create: {path: /contact/create, body: list, keys: made, size: 4}
    fields:
      name: text
      note: text
      limit: decimal
      born: {type: datetime, format: unix_ms}
"""

LINKED = (
    MODERN.partition("webhook:")[0]
    .replace("auth: {kind: bearer}", "auth: {kind: header, name: X-Key}")
    .replace(
        "      records: data\n      paging: {kind: cursor, path: meta.next, size: 3, size_name: limit}",
        "      paging: {kind: link, size: 3, size_name: limit}",
    )
)
