-- Two people, two laptops, no network between them: they edit one ticket, meet, disagree, and vote.
-- Run it: build/release/prophet-lua examples/two_replicas.lua [DIR]
local prophet = require "prophet"
local f = require "prophet.fields"

local place = arg[1] or os.tmpname()
if not arg[1] then os.remove(place) end -- tmpname makes a file; only its name is wanted
local anns, bobs = place .. "-ann", place .. "-bob"

-- Ann starts a database, says what a ticket is, and writes the first one.
local ann <close> = prophet.open(anns, { create = true, user = "ann@example.org" })
ann:define(f.record "ticket" {
  f.string  "summary" { required = true },
  f.enum    "status"  { "new", "open", "closed", default = "new" },
  f.set     "tags",
  f.counter "votes",
  summary = "#{n} {status:6} {summary}",
})
local crash = ann.types.ticket:create { summary = "Crash on save" }

-- Bob takes a copy along. Both work on, offline, on the same record.
local bob <close> = prophet.clone(anns, bobs, { user = "bob@example.org" })
crash:set { status = "open" }:add("tags", "ui"):incr "votes"
bob.types.ticket:must(crash.id):set { status = "closed" }:add("tags", "editor"):incr "votes"

-- They meet. Tags and votes add up by themselves; the status has two values now, and shows one of them.
print("Ann pulls:  ", ann:pull(bobs))
print("the ticket: ", ann.types.ticket:must(crash.id), table.concat(ann.types.ticket:must(crash.id).tags, " "))
for c in ann:conflicts { status = "open" } do
  print("a conflict: ", c)
  c:vote("open", { reason = "it still crashes here" })
end

-- Bob hears of it, agrees, and both have the same again, down to the last byte.
bob:pull(anns)
for c in bob:conflicts { status = "open" } do c:vote("open", { reason = "right, it does" }) end
print("they sync:  ", ann:pull(bobs))
for c in ann:conflicts { status = "open" } do print("voted:      ", c) end
print("same state: ", ann:digest() == bob:digest())

for v in ann.types.ticket:must(crash.id):history() do
  for _, step in ipairs(v.changes) do print("history:    ", v.author, step.field, step.op, step.new) end
end
