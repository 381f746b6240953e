-- Bundles: one file that goes by any means, and replicas that never meet.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local raises = place.raises

describe("a bundle", function()
  local ann, bob
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    ann.types.ticket:create { summary = "Crash" }
    bob = place.clone(ann, "bob")
  end)
  after_each(place.leave)

  it("brings what came after a version, and says what it needs", function()
    local v = ann:version()
    ann.types.ticket:create { summary = "Second" }
    local file = place.path "later"
    local made = ann:bundle(file, { since = v })
    assert.equal(1, made.changesets)
    assert.truthy(tostring(made):find "^1 changeset, %d+ bytes")
    local err = raises("not_found", prophet.clone, file, place.path "new")
    assert.truthy(err.message:find "needs changesets that are not here")
    assert.equal(1, bob:apply(file, { dry_run = true }).changesets)
    assert.not_equal(ann:digest(), bob:digest())
    assert.equal(1, bob:apply(file).changesets)
    assert.equal(ann:digest(), bob:digest())
    assert.equal(0, bob:pull(file).changesets)
  end)

  it("clones, and lets resolvers vote where it is taken in", function()
    local t = ann.types.ticket:find({}):first()
    t:set { status = "open" }
    bob.types.ticket:must(t.id):set { status = "closed" }
    local file = place.path "all"
    ann:bundle(file)
    bob:resolver("return { name = 'any', on = { '*' }, vote = function(c) return c.candidates[1], 'any' end }")
    local report = bob:apply(file)
    assert.equal(1, report.conflicts)
    assert.equal(1, report.votes)
    local cyd <close> = prophet.clone(file, place.path "cyd")
    assert.equal(ann:digest(), cyd:digest())
  end)

  it("knows what a place had when it was met", function()
    ann:push(bob.path)
    ann.types.ticket:create { summary = "Second" }
    local file = place.path "since"
    assert.equal(1, ann:bundle(file, { since = bob.path }).changesets)
    bob:apply(file)
    assert.equal(ann:digest(), bob:digest())
    raises("not_found", ann.bundle, ann, file, { since = "nobody" })
    raises("not_found", ann.bundle, ann, file, { since = 1000 })
  end)

  it("refuses what is none, and does not write over other files", function()
    local letter = place.path "letter"
    cli.write(letter, "dear ann, this is a letter and no bundle")
    raises("exists", ann.bundle, ann, letter)
    raises("corrupt", bob.apply, bob, letter)
    raises("corrupt", bob.pull, bob, letter)
    raises("usage", bob.apply, bob, ann.path)
    raises("not_found", bob.apply, bob, place.path "none")
    raises("usage", ann.bundle, ann)
    raises("usage", ann.bundle, ann, place.path "x", { from = 1 })
    local other = place.tracker "other"
    other:bundle(place.path "theirs")
    raises("unrelated", ann.apply, ann, place.path "theirs")
  end)
end)
