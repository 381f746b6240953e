-- milestone: a version or a date that tickets are meant for. Its name is its key: made on two replicas, it is one.
local f = require "prophet.fields"

return f.record "milestone" {
  f.string "name"    { required = true, min = 1, max = 80 },
  f.text   "about"   { fulltext = true },
  f.enum   "status"  { "planned", "open", "released", "dropped", default = "open", index = true },
  f.time   "due"     { index = true },
  f.time   "released",
  f.many   "tickets" { type = "ticket", by = "milestone" },
  f.computed "progress"(function(m)
    local all = m.tickets:count()
    if all == 0 then return nil end
    return m.tickets:where { status = "closed" }:count() / all
  end),

  key = { "name" },
  summary = "#{n} {status:8} {name}",
  doc = "a version or a date that tickets are meant for",

  queries = {
    open = function(type) return type:find { status = { "planned", "open" } }:order("due", "name") end,
  },
}
