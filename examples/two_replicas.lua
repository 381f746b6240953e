-- Two people, two laptops, no network between them: they edit one ticket, meet, disagree, and vote.
local prophet = require "prophet"
local f = require "prophet.fields"
local place = arg[1] or os.tmpname() .. ".d" -- where the two databases go
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
crash = ann.types.ticket:must(crash.id)
print("the ticket: ", crash, table.concat(crash.tags, " "), crash.votes .. " votes")
for c in ann:conflicts { status = "open" } do
  print("a conflict: ", c)
  c:vote("open", { reason = "it still crashes here" })
end

-- Bob hears of it and agrees. Both end with the same, down to the last byte.
bob:pull(anns)
for c in bob:conflicts { status = "open" } do c:vote("open", { reason = "right, it does" }) end
print("they sync:  ", ann:pull(bobs))
for c in ann:conflicts { status = "open" } do print("voted:      ", c) end
print("same state: ", ann:digest() == bob:digest())

for v in ann.types.ticket:must(crash.id):history() do print("history:    ", v) end
