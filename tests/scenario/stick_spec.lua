-- A stick that is carried between two machines which never meet, as people do it, with the commands: it is at one of them at a time, under another
-- name, pulled out in the middle, mislaid and replaced by an old copy. What is on it would fit on FAT.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local json = require "dkjson"

local dir, key

local TICKET = [[
local f = require "prophet.fields"
return f.record "ticket" { f.string "summary", f.enum "status" { "new", "open", "closed", default = "new" }, f.set "tags", f.counter "votes" }
]]

local function shell(script)
  assert(os.execute(("cd '%s' && %s"):format(dir, script)), script)
end

-- A command at one of the machines: its database, its user, its mount point.
local function at(who, args, status)
  local words = { "--db", who .. "/bugs" }
  for word in args:gmatch "%S+" do words[#words + 1] = word end
  if key and args:find "depot" then
    words[#words + 1] = "--seal"
    words[#words + 1] = "key"
  end
  local r = cli.run(dir, "prophet", words, { env = ("PROPHET_USER=%s@example.org"):format(who) })
  assert.equal(status or 0, r.status, who .. ": " .. args .. "\n" .. r.out .. r.err)
  return r.out .. r.err
end

local function objects(text)
  local list = {}
  for i, line in ipairs(cli.lines(text)) do list[i] = json.decode(line, 1, nil) end
  return list
end

local function carry(from, to)
  shell(("mv '%s/media' '%s/media'"):format(from, to))
end

-- FAT keeps neither links nor owners, and no two names that differ in case alone.
local function check_fat(who)
  local pipe = assert(io.popen(("cd '%s/%s/media' && find . -mindepth 1 -printf '%%y %%n %%f %%p\\n'"):format(dir, who)))
  local seen = {}
  for line in pipe:lines() do
    local kind, links, name, path = line:match "^(%a) (%d+) (%S+) (%S+)$"
    assert.truthy(kind == "d" or kind == "f" and links == "1", line)
    assert.truthy(name:find "^[a-z0-9.%-]+$", name)
    assert.is_nil(seen[path:lower()])
    seen[path:lower()] = true
  end
  pipe:close()
end

local function same()
  assert.equal(at("ann", "digest"), at("bob", "digest"))
  assert.equal(at("ann", "export"), at("bob", "export"))
  local function conflicts(who) return cli.run(dir, "prophet", { "--db", who .. "/bugs", "conflicts", "--all", "--json" }).out end
  assert.equal(conflicts "ann", conflicts "bob")
end

local function begin()
  dir = cli.scratch()
  shell "mkdir -p ann/media bob"
  cli.write(dir .. "/ticket.lua", TICKET)
  at("ann", "init")
  at("ann", "schema apply ticket.lua")
  at("ann", "create ticket summary=Crash tags=ui")
  if key then assert.equal(0, cli.run(dir, "prophet", { "key", "new", "key" }).status) end
end

local function meet_once()
  at("ann", "publish ann/media/bugs.depot")
  carry("ann", "bob")
  local words = { "clone", "bob/media/bugs.depot", "bob/bugs" }
  if key then
    words[4], words[5] = "--seal", "key"
  end
  assert.equal(0, cli.run(dir, "prophet", words).status)
  same()
end

local function go_round()
  begin()
  meet_once()
  for round = 1, 3 do -- the stick is at bob's; both write meanwhile, on the same record too
    at("bob", ("update #1 status=%s votes+=1 tags+=b%d"):format(round == 2 and "closed" or "open", round))
    at("bob", "create ticket summary=bob" .. round)
    at("ann", ("update #1 status=%s votes+=1 tags+=a%d"):format(round == 2 and "open" or "closed", round))
    at("bob", "sync bob/media/bugs.depot")
    check_fat "bob"
    carry("bob", "ann")
    local said = at("ann", "sync ann/media/bugs.depot")
    assert.truthy(said:find("1 conflict", 1, true), said)
    check_fat "ann"
    at("ann", "vote #1.status open")
    at("ann", "sync ann/media/bugs.depot")
    carry("ann", "bob")
    at("bob", "sync bob/media/bugs.depot")
    same() -- open still, and decided alike
    at("bob", "resolve #1.status new")
    at("bob", "sync bob/media/bugs.depot")
    carry("bob", "ann")
    at("ann", "sync ann/media/bugs.depot")
    carry("ann", "bob")
    at("bob", "sync bob/media/bugs.depot")
    same()
    assert.equal(2 * round, objects(at("bob", "show #1 --json"))[1].fields.votes)
  end
  assert.truthy(at("bob", "sync bob/media/bugs.depot"):find("pulled nothing new", 1, true))
  assert.equal(6 + 1, #objects(at("ann", "show #1 --json"))[1].fields.tags)
end

describe("a stick between two machines that never meet", function()
  after_each(function()
    cli.remove(dir)
    key = nil
  end)

  it("brings them together, conflicts and all", go_round)

  it("does so sealed, and tells a finder nothing", function()
    key = true
    go_round()
    assert.equal(1, select(3, os.execute(("grep -rqiE 'crash|example.org|ticket' '%s/bob/media'"):format(dir))))
    key = nil
    assert.truthy(at("bob", "pull bob/media/bugs.depot", 10):find("sealed", 1, true))
  end)

  it("that is pulled out in the middle brings what is whole, and is mended at the next visit", function()
    begin()
    meet_once()
    at("bob", "create ticket summary=second")
    at("bob", "publish bob/media/bugs.depot")
    -- the last file that was written is cut, and the one before it never closed
    shell [[f=$(find bob/media -type f -regex '.*/[0-9a-f]*/[0-9a-f]*' -printf '%T@ %p\n' | sort | tail -1 | cut -d' ' -f2) &&
      truncate -s -7 "$f" && echo rest >bob/media/bugs.depot/.tmp-000000000000000000000000]]
    carry("bob", "ann")
    local before = at("ann", "digest")
    at("ann", "pull ann/media/bugs.depot", 12)
    assert.equal(before, at("ann", "digest"))
    at("ann", "create ticket summary=third")
    at("ann", "publish ann/media/bugs.depot")
    carry("ann", "bob")
    local said = at("bob", "sync bob/media/bugs.depot")
    assert.truthy(said:find("gone or cut", 1, true), said)
    carry("bob", "ann")
    at("ann", "sync ann/media/bugs.depot")
    same()
    assert.equal(3, tonumber(at("ann", "search ticket --count")))
  end)

  it("that is an old copy is warned about, and caught up", function()
    begin()
    meet_once()
    at("bob", "create ticket summary=second")
    at("bob", "publish bob/media/bugs.depot")
    shell "cp -a bob/media old"
    at("bob", "create ticket summary=another")
    at("bob", "publish bob/media/bugs.depot")
    carry("bob", "ann")
    at("ann", "create ticket summary=third")
    at("ann", "sync ann/media/bugs.depot")
    shell "rm -r ann/media && mv old bob/media"
    local said = at("bob", "sync bob/media/bugs.depot")
    assert.truthy(said:find("went back", 1, true), said)
    carry("bob", "ann")
    at("ann", "sync ann/media/bugs.depot")
    carry("ann", "bob")
    at("bob", "sync bob/media/bugs.depot")
    same()
  end)
end)
