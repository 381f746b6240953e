-- Taking the same changeset back more than once, on one replica and on several: counters above all, since increments name nothing.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"

describe("a changeset that is taken back twice", function()
  local db, ticket, t, x
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
    t = ticket:create { summary = "first" }
    db:change("count", function() t:incr("votes", 5) end)
    x = db:head()[1]
    ticket:must(t.id):incr("votes", 2)
  end)
  after_each(place.leave)

  local function votes(of) return (of or db).types.ticket:must(t.id).votes end

  it("takes its increment off once", function()
    assert.truthy(db:revert(x))
    assert.equal(2, votes())
    local version = db:version()
    assert.is_nil(db:revert(x))
    assert.equal(2, votes())
    assert.equal(version, db:version())
  end)

  it("can be taken back again when that was taken back", function()
    db:revert(x)
    local y = db:head()[1]
    assert.truthy(db:revert(y))
    assert.equal(7, votes())
    assert.is_nil(db:revert(y))
    assert.equal(7, votes())
    assert.truthy(db:revert(x))
    assert.equal(2, votes())
    for _, want in ipairs { 7, 2, 7, 2 } do
      db:undo()
      assert.equal(want, votes())
    end
    assert.equal(0, db:check().faults)
    assert.same({}, db:check().notes or {})
  end)

  it("does so on a replica that got the first revert from another", function()
    local bob = place.clone(db, "bob")
    db:revert(x)
    bob:pull(db.path)
    assert.is_nil(bob:revert(x))
    assert.equal(2, votes(bob))
  end)

  it("is off by it when two replicas do so at once, until it is reverted once more", function()
    local bob = place.clone(db, "bob")
    db:revert(x)
    bob:revert(x)
    db:pull(bob.path)
    bob:pull(db.path)
    assert.equal(-3, votes())
    assert.equal(-3, votes(bob))
    assert.truthy(db:revert(x)) -- gives back what was taken once too often
    assert.equal(2, votes())
    assert.is_nil(db:revert(x))
    bob:pull(db.path)
    assert.is_nil(bob:revert(x))
    assert.equal(2, votes(bob))
    assert.equal(db:digest(), bob:digest())
    assert.equal(db:export(), bob:export())
  end)

  it("is not confused with a decrement of the same size", function()
    ticket:must(t.id):incr("votes", -5)
    assert.equal(2, votes())
    assert.truthy(db:revert(x))
    assert.equal(-3, votes())
  end)

  it("marks its reverts in a way that is a counter still", function()
    db:revert(x)
    local steps = {}
    for v in ticket:must(t.id):history() do
      for _, c in ipairs(v.changes) do
        if c.field == "votes" then steps[#steps + 1] = ("%s %d"):format(c.op, c.new) end
      end
    end
    assert.same({ "incr 5", "incr 7", "incr 2" }, steps)
    assert.equal(2, votes())
    db:rebuild()
    assert.equal(2, votes())
    assert.equal(0, db:check().faults)
    local last = place.list(db:log { limit = 1 })[1]
    assert.equal("ticket #1 update: votes by -5", tostring(last.changes))
    assert.truthy(db:log_json({ limit = 1 }):find('"votes":{"inc":-5,"remove":[{"value":1,"over":["' .. x .. '"]}]}', 1, true))
  end)

  it("writes an old value once, and does not part it from what came after", function()
    t = ticket:must(t.id):set { summary = "bad" }
    local bad = db:head()[1]
    assert.truthy(db:revert(bad))
    assert.is_nil(db:revert(bad))
    assert.equal("first", ticket:must(t.id).summary)
    ticket:must(t.id):set { status = "open" }
    assert.is_nil(db:revert(bad))
    assert.equal(0, #place.list(db:conflicts()))
  end)
end)
