-- Replays real histories: this project's own, and a large one (1,252 commits, 26 authors, 72 merges) where it is there.
-- Every author is a replica; at the end all are the same, sound, and exports agree byte for byte.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"

local LARGE = os.getenv "PROPHET_HISTORY" or cli.source .. "/../shared/data/sd-history.jsonl"

local dir

local function replay(...)
  local r = cli.run(dir, "prophet-lua", { cli.source .. "/examples/replay.lua", ... })
  assert.equal(0, r.status, r.err)
  local out = {}
  for _, line in ipairs(cli.lines(r.out)) do
    local name, value = line:match "^(%a+)%s+(%S+)"
    out[name] = tonumber(value) or value
  end
  out.digest = r.out:match "digest%s+(%x+)"
  return out
end

-- The same state on all replicas, in what independent programs see.
local function same_everywhere(count)
  local first
  for i = 1, count do
    local db = ("r-%03d"):format(i)
    local export = cli.run(dir, "prophet", { "export", "--db", db, "--all" }).out
    first = first or export
    assert.is_true(export == first, db .. " exports something else")
  end
  assert.is_true(#first > 0)
  assert.equal(0, cli.run(dir, "prophet", { "check", "--db", "r-001" }).status)
  return first
end

describe("replaying", function()
  before_each(function() dir = cli.scratch() end)
  after_each(function() cli.remove(dir) end)

  it("the history of this project ends in one state", function()
    local pipe = io.popen(("git -C '%s' rev-list --count HEAD 2>/dev/null"):format(cli.source))
    local commits = tonumber(pipe:read "l" or "")
    pipe:close()
    if not commits then return pending "no git repository here" end
    local out = replay("--git", cli.source, "--in", dir .. "/r")
    assert.equal(commits, out.commits)
    same_everywhere(out.replicas)
  end)

  it("a large history ends in one state, in time", function()
    local file = io.open(LARGE)
    if not file then return pending "the large history is not here" end
    file:close()
    local out = replay(LARGE, "--in", dir .. "/r")
    assert.equal(1252, out.commits)
    assert.equal(26, out.replicas)
    assert.is_true(out.conflicts > 0 and out.votes > 0)
    assert.is_true(out.seconds < 30, out.seconds .. " seconds")
    same_everywhere(out.replicas)
  end)
end)
