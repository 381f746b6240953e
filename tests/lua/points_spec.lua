-- Points of the past as people give them, and what reading the past says inside a change.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"
local raises = place.raises

describe("a point in the past", function()
  local db, ticket, t
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
    t = ticket:create { summary = "one" }
    t = t:set { summary = "two" }
  end)
  after_each(place.leave)

  it("is an entry of a record's history as well as one of the log", function()
    local steps = place.list(t:history())
    assert.equal("one", t:at(steps[1]).summary)
    assert.equal("two", t:at(steps[2]).summary)
    do
      local old <close> = db:as_of(steps[1])
      assert.equal("one", old.types.ticket:must(t.id).summary)
    end
    assert.equal("one", t:at(place.list(db:log { record = t })[1]).summary)
    assert.truthy(db:revert(steps[2]))
    assert.equal("one", ticket:must(t.id).summary)
  end)

  it("is a whole number, whichever way it was computed", function()
    assert.equal("one", t:at(4 / 2).summary)
    raises("usage", t.at, t, 2.5)
    raises("usage", t.at, t, 0 / 0)
    raises("usage", t.at, t, 1 / 0)
    raises("usage", t.at, t, -1)
  end)

  it("that is none is told what would be one", function()
    assert.equal("a version is a number: 41", raises("validation", db.as_of, db, "41").hint)
    assert.truthy(raises("validation", db.as_of, db, "yesterday").hint:find("a changeset or its id", 1, true))
    raises("usage", db.as_of, db, t)
    raises("usage", db.as_of, db, { id = db:head()[1] })
    raises("usage", db.revert, db, { id = "x" })
  end)

  it("of a conflict is none", function()
    local bob = place.clone(db, "bob")
    bob.types.ticket:must(t.id):set { summary = "bob's" }
    t:set { summary = "ann's" }
    db:pull(bob.path)
    local c = place.list(db:conflicts())[1]
    raises("usage", db.as_of, db, c)
    raises("usage", db.revert, db, c)
  end)
end)

describe("the past inside a change", function()
  local db, ticket
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
  end)
  after_each(place.leave)

  it("blames what is being written on who writes, without a changeset yet", function()
    local t = ticket:create { summary = "one", severity = 2 }
    local written = db:head()[1]
    db:change(function()
      t = t:set { summary = "two" }:add("tags", "x")
      local new = ticket:create { summary = "new", tags = { "y" } }:incr("votes")
      for _, b in ipairs { t:blame().summary, new:blame().summary, new:blame().tags, new:blame().votes } do
        assert.equal("ann@example.org", b.author)
        assert.equal(db.replica, b.replica)
        assert.is_nil(b.changeset)
        assert.truthy(tostring(b):find("ann@example.org", 1, true))
      end
      assert.equal("two", t:blame().summary.value)
      assert.equal(written, t:blame().severity.changeset)
    end)
    assert.equal(db:head()[1], ticket:must(t.id):blame().summary.changeset)
  end)

  it("is no source of a bundle", function()
    ticket:create { summary = "one" }
    local old <close> = db:as_of(db:version())
    local err = raises("usage", old.bundle, old, place.path "old.bundle")
    assert.equal("a bundle of a database as it was", err.message)
    assert.is_nil(io.open(place.path "old.bundle"))
  end)

  it("is listened to by a function, for a time that is a number", function()
    assert.truthy(raises("usage", db.on, db, "changeset").hint:find("db:on", 1, true))
    raises("usage", db.run, db, 0 / 0)
  end)
end)
