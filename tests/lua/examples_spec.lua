-- The examples do what they say.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"

local dir

local function example(name, ...)
  local r = cli.run(dir, "prophet-lua", { cli.source .. "/examples/" .. name, ... })
  assert.equal(0, r.status, r.err)
  return r.out
end

-- A small history: two authors from one commit on, a clash in a file, a deletion, a merge.
local HISTORY = [[
{"commit":"c1","parents":[],"author":"ann","time":1,"subject":"begin","files":{"a":"a1","b":"b1","c":"c1"}}
{"commit":"c2","parents":["c1"],"author":"bob","time":2,"subject":"bob's","files":{"a":"a2","c":null}}
{"commit":"c3","parents":["c1"],"author":"ann","time":3,"subject":"ann's","files":{"a":"a3"}}
{"commit":"c4","parents":["c2","c3"],"author":"cyd","time":4,"subject":"merge \u00fc","files":{"a":"a4"}}
{"commit":"c5","parents":["c4"],"author":"ann","time":5,"subject":"","files":{"c":"c2"}}
]]

describe("an example", function()
  before_each(function() dir = cli.scratch() end)
  after_each(function() cli.remove(dir) end)

  it("two_replicas: a conflict, votes, and one state", function()
    local out = example("two_replicas.lua", dir .. "/two")
    assert.truthy(out:find "a conflict: .*status.*closed.*open")
    assert.truthy(out:find "voted: .*open.*votes")
    assert.truthy(out:find "same state:%s+true")
    assert.truthy(out:find "history: .*bob@example.org.*status")
    local count = 0
    for _ in io.lines(cli.source .. "/examples/two_replicas.lua") do count = count + 1 end
    assert.is_true(count <= 40, count .. " lines")
  end)

  it("replay: a history of JSON lines ends the same on all replicas", function()
    cli.write(dir .. "/h.jsonl", HISTORY)
    local out = example("replay.lua", dir .. "/h.jsonl", "--in", dir .. "/r")
    assert.truthy(out:find "replicas%s+3\n")
    assert.truthy(out:find "commits%s+5\n")
    assert.truthy(out:find "conflicts%s+1 ")
    assert.truthy(out:find "digest%s+%x+\n")
    local digest = out:match "digest%s+(%x+)"
    for i = 1, 3 do
      local r = cli.run(dir, "prophet", { "digest", "--db", ("r-%03d"):format(i) })
      assert.equal(digest .. "\n", r.out)
    end
    local files = cli.run(dir, "prophet", { "search", "file", "--db", "r-001", "--sort", "path", "--format", "{path}={blob}" })
    assert.equal("a=a4\nb=b1\nc=c2\n", files.out)
    assert.equal(0, cli.run(dir, "prophet", { "check", "--db", "r-002" }).status)
  end)

  it("replay: a wrong line gets a line back", function()
    for said, args in pairs { ["usage: "] = {}, ["usage: prophet"] = { "--gti", "." }, ["nothere"] = { "nothere" },
      ["git log failed in nothere"] = { "--git", "nothere" } } do
      local r = cli.run(dir, "prophet-lua", { cli.source .. "/examples/replay.lua", table.unpack(args) })
      assert.equal(2, r.status, r.err)
      assert.truthy(r.err:find("replay.lua: ", 1, true) and r.err:find(said, 1, true), r.err)
      assert.falsy(r.err:find("traceback", 1, true), r.err)
    end
  end)

  it("replay: a git repository with names that need care", function()
    local made = os.execute(([[cd '%s' && unset LD_PRELOAD && exec >/dev/null 2>&1 && git init -q "it's" && cd "it's" &&
      git config user.email ann@example.org && git config user.name Ann && git config commit.gpgsign false &&
      echo 1 > "a b" && mkdir d && echo 2 > "d/ü;x" && git add . && git commit -qm "first; \$(touch hacked)" &&
      git checkout -qb side && echo 3 > "a b" && git -c user.email=bob@example.org commit -qam side &&
      git checkout -q - && git rm -q "d/ü;x" && git commit -qm gone && git merge -q --no-edit side]]):format(dir))
    assert.truthy(made, "git failed")
    local out = example("replay.lua", "--git", dir .. "/it's", "--in", dir .. "/g")
    assert.truthy(out:find "replicas%s+2\n")
    assert.truthy(out:find "commits%s+4\n")
    local files = cli.run(dir, "prophet", { "search", "file", "--db", "g-001", "--format", "{path}" })
    assert.equal("a b\n", files.out)
    assert.is_nil(cli.read(dir .. "/it's/hacked"))
  end)
end)
