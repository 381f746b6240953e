-- comment: what somebody said about a ticket.
local f = require "prophet.fields"

return f.record "comment" {
  f.ref  "ticket"  { to = "ticket", required = true, immutable = true, index = true },
  f.text "body"    { required = true, min = 1, fulltext = true },
  f.user "author"  { immutable = true, index = true, default = function(_, ctx) return ctx.user end },
  f.time "created" { immutable = true, index = true, default = function(_, ctx) return ctx.now end },
  f.ref  "reply_to"{ to = "comment", immutable = true },
  f.many "attachments" { type = "attachment", by = "comment" },

  indexes = { { "ticket", "created" } },
  summary = "#{n} {author:20.20} {body:.60}",
  life = "alive-wins",
  doc = "what somebody said about a ticket",

  queries = {
    recent = function(type) return type:find {}:order "-created" end,
  },
}
