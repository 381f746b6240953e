-- record:blame where a field is in conflict: who decided what it shows, and why.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"

local FURTHEST = [[
return { name = "furthest", version = 1, on = { "ticket.status" },
  vote = function(c)
    for _, cand in ipairs(c.candidates) do
      if cand.value == "closed" then return cand, "furthest along" end
    end
  end }
]]

describe("blame of a field in conflict", function()
  local ann, bob, id
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    id = ann.types.ticket:create({ summary = "s", severity = 2 }).id
    bob = place.clone(ann, "bob")
    ann.types.ticket:must(id):set { status = "closed" }
    bob.types.ticket:must(id):set { severity = 3 }
    bob.types.ticket:must(id):set { status = "open" } -- the latest
  end)
  after_each(place.leave)

  local function status(db) return db.types.ticket:must(id):blame().status end
  local function conflict(db) return place.list(db:conflicts { status = "open" })[1] end

  it("names the rule that decided", function()
    ann:pull(bob.path)
    local b = status(ann)
    assert.equal("rule", b.decided_by)
    assert.equal("latest", b.rule)
    assert.is_nil(b.votes)
    assert.equal("bob@example.org", b.author)
    assert.truthy(tostring(b):find("[by rule latest]", 1, true), tostring(b))
    ann:define(prophet.fields.record "ticket" { prophet.fields.enum "status" { "new", "open", "closed", default = "new", rule = "first" } })
    assert.equal("first", status(ann).rule)
    assert.equal("closed", status(ann).value)
  end)

  it("names the persons who decided, with their reasons", function()
    ann:pull(bob.path)
    conflict(ann):vote("closed", { reason = "it is done" })
    bob:pull(ann.path)
    for _, db in ipairs { ann, bob } do
      local b = status(db)
      assert.equal("votes", b.decided_by)
      assert.is_nil(b.rule)
      assert.equal("closed", b.value)
      assert.equal("ann@example.org", b.author)
      assert.equal(1, #b.votes)
      local v = b.votes[1]
      assert.same({ "person", "ann@example.org", ann.replica, "closed", "it is done" }, { v.by, v.author, v.replica, v.value, v.reason })
      assert.truthy(v.time)
      assert.equal(64, #v.changeset)
      assert.truthy(tostring(b):find("[by votes of ann@example.org: it is done]", 1, true), tostring(b))
    end
  end)

  it("names resolvers by name and by the replica that asked them", function()
    bob:resolver(FURTHEST)
    bob:pull(ann.path)
    local b = status(bob)
    local v = b.votes[1]
    assert.same({ "resolver", "bob@example.org", bob.replica, "furthest along" }, { v.by, v.author, v.replica, v.reason })
    assert.truthy(v.resolver:find "^furthest@%x+$")
    assert.truthy(tostring(b):find("[by votes of furthest of bob@example.org: furthest along]", 1, true), tostring(b))
    assert.truthy(prophet.json.encode(b):find('"reason":"furthest along"', 1, true))
  end)

  it("leaves out votes that lost, and those that were cast again", function()
    ann:pull(bob.path)
    conflict(ann):vote("open", { reason = "not sure" })
    conflict(ann):vote("closed", { reason = "sure" })
    bob:pull(ann.path)
    local eve = place.clone(bob, "eve")
    conflict(eve):vote("closed")
    conflict(bob):vote "open"
    ann:pull(bob.path)
    ann:pull(eve.path)
    local who = {}
    for i, v in ipairs(status(ann).votes) do who[i] = v.author .. " " .. (v.reason or "-") end
    table.sort(who)
    assert.same({ "ann@example.org sure", "eve@example.org -" }, who)
    assert.equal(4, #place.list(conflict(ann):votes()))
  end)

  it("names who merged a value that nobody had written", function()
    ann:pull(bob.path)
    conflict(ann):vote "new"
    local b = status(ann)
    assert.equal("new", b.value)
    assert.equal("ann@example.org", b.author)
    assert.equal(b.votes[1].changeset, b.changeset)
  end)

  it("names the writer alone once somebody has resolved it", function()
    bob:pull(ann.path)
    conflict(bob):vote "open"
    conflict(bob):resolve "closed"
    local b = status(bob)
    assert.is_nil(b.decided_by)
    assert.is_nil(b.votes)
    assert.equal("bob@example.org", b.author)
  end)

  it("tells what was decided then, in the past", function()
    ann:pull(bob.path)
    local before = ann:version()
    conflict(ann):vote "closed"
    local old <close> = ann:as_of(before)
    assert.equal("rule", old.types.ticket:must(id):blame().status.decided_by)
    assert.equal("latest", old.types.ticket:must(id):blame().status.rule)
    assert.equal("votes", status(ann).decided_by)
  end)
end)
