-- What an exchange reports: in the table, and on the command line for people.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"

describe("a report", function()
  local ann, bob
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    bob = place.clone(ann, "bob")
  end)
  after_each(place.leave)

  -- n tickets about which both disagree; each side has the other's name on it.
  local function disagree(n, field, a, b)
    local ids = {}
    for i = 1, n do ids[i] = ann.types.ticket:create { summary = "number " .. i }.id end
    bob:pull "origin"
    for _, id in ipairs(ids) do
      ann.types.ticket:must(id):set { [field] = a }
      bob.types.ticket:must(id):set { [field] = b }
    end
    return ids
  end

  it("counts as decided what this exchange brought, not what was there", function()
    disagree(3, "status", "open", "closed")
    bob:pull "origin"
    for c in bob:conflicts { status = "open" } do c:vote "open" end
    ann:pull(bob.path)
    local n = 0
    for c in bob:conflicts { status = "open" } do n = n + (c.decided and 1 or 0) end
    assert.equal(3, n)
    local ids = disagree(2, "severity", 1, 5)
    local report = bob:pull "origin"
    assert.same({ 2, 0 }, { report.conflicts, report.decided })
    local seen = {}
    for i, cell in ipairs(report.opened) do
      assert.same({ "ticket", "severity" }, { cell.type, cell.field })
      seen[i] = tostring(cell.record)
    end
    table.sort(seen)
    table.sort(ids)
    assert.same(ids, seen)
    bob:resolver("max", { on = { "ticket.severity" } })
    disagree(1, "severity", 2, 4)
    report = bob:sync("origin").pull
    assert.same({ 1, 1 }, { report.conflicts, report.decided })
    assert.equal(1, report.votes)
    assert.equal(0, #(bob:pull "origin".opened or {}))
  end)

  it("of a dry clone says what would come, and nothing stays", function()
    for i = 1, 5 do ann.types.ticket:create { summary = "number " .. i } end
    ann:sign()
    local n = ann:version()
    ann:bundle(place.path "all.prophet-bundle")
    ann:publish(place.path "bugs.depot")
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    local function listing()
      local pipe = io.popen(("ls -a '%s'"):format(place.dir))
      local text = pipe:read "a"
      pipe:close()
      return text
    end
    local before = listing()
    for _, source in ipairs { ann.path, place.path "all.prophet-bundle", place.path "bugs.depot", server.url } do
      local db, report = prophet.clone(source, place.path "none", { dry_run = true })
      assert.is_nil(db)
      assert.same({ n, true }, { report.changesets, report.dry_run }, source)
      assert.equal(before, listing())
    end
    place.raises("exists", prophet.clone, ann.path, bob.path, { dry_run = true })
    place.raises("not_found", prophet.clone, place.path "nowhere", place.path "none", { dry_run = true })
    local ran = cli.run(place.dir, "prophet", { "clone", ann.path, "none", "--dry-run" })
    assert.truthy(ran.out:find("would bring 6 changesets from 1 replica", 1, true), ran.out .. ran.err)
    assert.equal(before, listing())
  end)

  it("has a rate, where something moved", function()
    ann.types.ticket:create { summary = "one" }
    local report = bob:pull "origin"
    assert.is_true(report.rate > 0 and report.bytes > 0 and report.seconds > 0)
    assert.is_nil(bob:pull "origin".rate)
  end)

  it("names new writers, conflicts and the rate to people", function()
    disagree(12, "status", "open", "closed")
    local carol = place.clone(ann, "carol")
    carol.types.ticket:create { summary = "by carol" }
    ann:pull(carol.path)
    local function run(...)
      local ran = cli.run(place.dir, "prophet", { "--db", bob.path, ... })
      assert.equal(0, ran.status, ran.err)
      assert.equal("", ran.err)
      return ran.out
    end
    local dry = run("pull", "origin", "--dry-run")
    assert.truthy(dry:find("^would bring 13 changesets from 2 replicas, 1 new writer"), dry)
    assert.truthy(dry:find("\n  new writer " .. carol.replica:sub(1, 8) .. "\n", 1, true), dry)
    assert.is_nil(dry:find("a second", 1, true))
    local out = run("pull", "origin")
    assert.truthy(out:find("^13 changesets from 2 replicas, 12 conflicts, 1 new writer, %d+%.%d s\n"), out)
    assert.truthy(out:find("\n  new writer " .. carol.replica:sub(1, 8) .. " carol@example.org\n", 1, true), out)
    assert.equal(10, select(2, out:gsub("\n  conflict ticket #%d+ status: ", "")), out)
    assert.truthy(out:find("\n  and 2 more: prophet conflicts\n", 1, true), out)
    assert.truthy(out:find "\n  [%d.]+ KB, %d+ changesets a second\n$", out)
    assert.equal("", run("pull", "--quiet"))
    local json = run("pull", "--json")
    assert.equal(1, #cli.lines(json))
  end)
end)
