-- Depots from scripts and the command line: several people, one directory, nobody who runs it.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local raises = place.raises

describe("a depot", function()
  local ann, depot
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    ann.types.ticket:create { summary = "Crash" }
    depot = place.path "bugs.depot"
  end)
  after_each(place.leave)

  it("is made by publish, and a source of clone, pull and sync", function()
    local report = ann:publish(depot)
    assert.equal(2, report.changesets)
    assert.equal(1, #report.writers)
    local bob <close> = prophet.clone(depot, place.path "bob", { user = "bob@example.org" })
    assert.equal(ann:digest(), bob:digest())
    bob.types.ticket:create { summary = "Second" }
    report = bob:sync(depot)
    assert.equal(0, report.pull.changesets)
    assert.equal(1, report.push.changesets)
    assert.equal(1, ann:pull(depot, { dry_run = true }).changesets)
    assert.equal(1, ann:pull(depot).changesets)
    assert.equal(ann:digest(), bob:digest())
    assert.truthy(tostring(ann:pull("file://" .. depot)):find "^nothing new")
    assert.equal(0, ann:publish(depot).changesets)
    bob:close()
  end)

  it("is made by sync and push, too, and lets resolvers vote on what comes", function()
    assert.equal(2, ann:sync(depot).push.changesets)
    local bob <close> = prophet.clone(depot, place.path "bob")
    local t = ann.types.ticket:find({}):first()
    t:set { status = "open" }
    bob.types.ticket:must(t.id):set { status = "closed" }
    ann:push(depot)
    bob:resolver "return { name = 'any', on = { '*' }, vote = function(c) return c.candidates[1], 'any' end }"
    local report = bob:pull(depot)
    assert.equal(1, report.conflicts)
    assert.equal(1, report.votes)
    bob:close()
  end)

  it("knows what was there: a bundle since then", function()
    ann:publish(depot)
    ann.types.ticket:create { summary = "Second" }
    assert.equal(1, ann:bundle(place.path "new", { since = depot }).changesets)
  end)

  it("can be sealed: who has not the key reads nothing", function()
    local key, wrong = place.path "key", place.path "wrong"
    prophet.new_key(key)
    prophet.new_key(wrong, { passphrase = "correct horse" })
    raises("exists", prophet.new_key, key)
    raises("usage", prophet.new_key, place.path "new", { password = "x" })
    ann:sync(depot, { seal = key })
    raises("untrusted", prophet.clone, depot, place.path "bob")
    raises("untrusted", prophet.clone, depot, place.path "bob", { seal = wrong })
    raises("usage", prophet.open, place.path "bob", { seal = key })
    local bob <close> = prophet.clone(depot, place.path "bob", { seal = key })
    assert.equal(ann:digest(), bob:digest())
    bob.types.ticket:create { summary = "Second" }
    bob:publish(depot, { seal = key })
    raises("untrusted", ann.pull, ann, depot)
    raises("untrusted", ann.publish, ann, depot)
    assert.equal(1, ann:pull(depot, { seal = key }).changesets)
    bob:close()
  end)

  it("refuses other databases, replicas and what is none", function()
    ann:publish(depot)
    local other = place.tracker "other"
    raises("unrelated", other.publish, other, depot)
    raises("unrelated", other.pull, other, depot)
    raises("usage", ann.publish, ann, other.path)
    raises("usage", ann.publish, ann)
    raises("not_found", ann.pull, ann, place.path "none.depot")
    raises("not_found", ann.push, ann, place.path "none")
  end)

  it("is published into and pulled from on the command line", function()
    local function run(...)
      local r = cli.run(place.dir, "prophet", { ... })
      assert.equal(0, r.status, r.err)
      return r.out
    end
    assert.truthy(run("--db", "ann", "publish", "bugs.depot"):find "^2 changesets")
    run("clone", "bugs.depot", "copy")
    run("--db", "copy", "create", "ticket", "summary=more")
    run("--db", "copy", "sync", "bugs.depot")
    assert.truthy(run("--db", "ann", "pull", "bugs.depot"):find "^1 changeset")
    assert.equal(run("--db", "ann", "digest"), run("--db", "copy", "digest"))
    run("key", "new", "key")
    run("--db", "ann", "publish", "s.depot", "--seal", "key")
    run("clone", "s.depot", "sealed", "--seal", "key")
    run("--db", "sealed", "sync", "s.depot", "--seal", "key")
    assert.equal(10, cli.run(place.dir, "prophet", { "--db", "ann", "pull", "s.depot" }).status)
    local made = cli.run(place.dir, "prophet", { "key", "new", "phrase", "--passphrase" }, { input = "correct horse\n" })
    assert.equal(0, made.status, made.err)
    assert.equal("prophet passphrase 1\ncorrect horse\n", cli.read(place.path "phrase"))
    assert.equal(2, cli.run(place.dir, "prophet", { "key", "show", "x" }).status)
    assert.equal(4, cli.run(place.dir, "prophet", { "key", "new", "key" }).status)
  end)
end)
