-- Files of a replica that somebody spoiled: cut, lengthened, zeroed, written over, swapped with those of another replica, put where
-- none belong. Where the log is whole everything is there; where it is not, what is missing is told and a peer brings it back. What cannot be
-- opened says which file and what to do. No process dies of it.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"

local junk = ("\x93\x01\xf7 junk "):rep(4000)

local function read(path)
  local file = io.open(path, "rb")
  local bytes = file and file:read "a"
  if file then file:close() end
  return bytes
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

-- Writes over a file as it lies: it keeps its inode.
local function over(path, at, bytes)
  local file = assert(io.open(path, "r+b"))
  file:seek("set", at)
  file:write(bytes)
  file:close()
end

local function cut(path, size)
  write(path, read(path):sub(1, size))
end

describe("a replica whose files were spoiled", function()
  local ann, bob, ids, own, A, B, O

  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    ids, own = {}, {}
    for i = 1, 30 do ids[i] = ann.types.ticket:create({ summary = "shared " .. i }).id end
    bob = place.clone(ann, "bob")
    for i = 1, 30 do own[i] = ann.types.ticket:create({ summary = "ann's " .. i }).id end
    ann:close()
    bob:close()
    local other = place.tracker "other"
    for i = 1, 60 do other.types.ticket:create { summary = "other " .. i } end
    other:close()
    A, B, O = place.path "ann", place.path "bob", place.path "other"
  end)
  after_each(place.leave)

  -- Goes on, exchanges, closes, opens, with an index made anew too: sound, with all that a peer has.
  local function goes_on(also_own)
    ann = place.open "ann"
    ann:check()
    if pcall(function() return ann.types.ticket end) then ann.types.ticket:create { summary = "goes on" } end
    ann:pull(B)
    ann:close()
    ann = place.open "ann"
    ann:rebuild()
    ann:pull(B)
    for _, id in ipairs(ids) do assert.truthy(ann.types.ticket:get(id)) end
    for _, id in ipairs(also_own and own or {}) do assert.truthy(ann.types.ticket:get(id)) end
    local report = ann:check()
    for _, note in ipairs(report.notes or {}) do
      assert.truthy(not note.fault or (not also_own and note.text:find "lost to damage"), tostring(report))
    end
    ann:close()
  end

  local function refuses(code, ...)
    local ok, err = pcall(place.open, "ann")
    assert.is_false(ok)
    assert.equal(code, err.code, tostring(err))
    assert.truthy(err.hint and #err.hint > 0, tostring(err))
    for _, part in ipairs { ... } do assert.truthy(tostring(err):find(part, 1, true), tostring(err)) end
  end

  local log = function() return A .. "/log/00000001.log" end
  local index = function() return A .. "/" .. read(A .. "/index"):match "[%w.]+" end

  -- What is done to the files, and whether the log holds all it held. refused: without the lock file nothing tells which database it was.
  local spoiled = {
    { "the log cut in the middle", false, function() cut(log(), 4000) end },
    { "the log cut to nothing", false, function() cut(log(), 0) end, "refused" },
    { "the log cut to its header", false, function() cut(log(), 64) end },
    { "the log zeroed", false, function() over(log(), 0, ("\0"):rep(65536)) end, "refused" },
    { "the log written over", false, function() write(log(), junk) end, "refused" },
    { "another replica's log in its place", false, function() write(log(), read(B .. "/log/00000001.log")) end },
    { "junk behind the log", true, function() over(log(), #read(log()), junk) end },
    { "an empty log file behind", true, function() write(A .. "/log/00000002.log", "") end },
    { "a log file of junk behind", true, function() write(A .. "/log/00000002.log", junk) end },
    { "a copy of the log file behind", true, function() write(A .. "/log/00000002.log", read(log())) end },
    { "another replica's index", true, function() write(index(), read(B .. "/index.1.mdb")) end },
    { "another database's index", true, function() write(index(), read(O .. "/index.1.mdb")) end },
    { "an index of junk", true, function() write(index(), junk) end },
    { "an empty index", true, function() write(index(), "") end },
    { "an index that was cut", true, function() cut(index(), 8192) end },
    { "an index that was cut within its head", true, function() cut(index(), 5000) end },
    { "an index with zeros in it", true, function() over(index(), 8192, ("\0"):rep(80000)) end },
    { "the name of another index", true, function() write(A .. "/index", "index.77.mdb\n") end },
    { "the name of no index", true, function() write(A .. "/index", "../../etc/passwd\n") end },
    { "the greatest number of an index", true, function() write(A .. "/index", "index.4294967295.mdb\n") end },
    { "another replica's lock file", true, function() write(A .. "/lock", read(B .. "/lock")) end },
    { "a lock file of junk", true, function() write(A .. "/lock", junk) end },
    { "an empty lock file", true, function() write(A .. "/lock", "") end },
    { "a lock file of ones", true, function() write(A .. "/lock", ("\255"):rep(4096)) end },
    { "no lock file", true, function() os.remove(A .. "/lock") end },
    { "a lock table of junk", true, function() write(index() .. "-lock", junk) end },
    { "another replica's key", true, function() write(A .. "/replica.key", read(B .. "/replica.key")) end },
    { "no key", true, function() os.remove(A .. "/replica.key") end },
    { "nothing but its log", true, function() os.execute(("rm -rf '%s'/index* '%s/lock' '%s/replica.key'"):format(A, A, A)) end },
  }
  for _, case in ipairs(spoiled) do
    it(("goes on with %s"):format(case[1]), function()
      case[3]()
      goes_on(case[2])
    end)
    it(("%s %s, as a copy"):format(case[4] and "says that it has" or "goes on with", case[1]), function()
      case[3]()
      os.remove(A .. "/lock")
      if case[4] then refuses("corrupt", "log/00000001.log") else goes_on(case[2]) end
    end)
  end

  it("says which file belongs to another database", function()
    write(log(), read(O .. "/log/00000001.log"))
    refuses("unrelated", "00000001.log")
  end)

  it("says that a log file is far from the others", function()
    write(A .. "/log/99999999.log", read(log()))
    refuses("corrupt", "99999999.log")
  end)

  it("says that its log files are gone", function()
    os.remove(log())
    refuses("not_found", "log")
  end)

  it("says that its key is none", function()
    write(A .. "/replica.key", "hello\n")
    refuses("corrupt", "replica.key")
  end)

  it("says that its files may not grow, and goes on", function()
    local program = os.getenv "PROPHET_BUILD_DIR" .. "/prophet-lua"
    local script = place.path "grow.lua"
    write(script, [[
      local db <close> = require("prophet").open(arg[1], { user = "ann@example.org" })
      local made = 0
      for i = 1, 300 do
        local ok, err = pcall(function() db.types.ticket:create { summary = "more " .. i, body = ("y"):rep(20000) } end)
        if not ok then print(err.code) break end
        made = i
      end
      print(made, db:check().faults)]])
    local out = io.popen(("ulimit -f 600; '%s' '%s' '%s' 2>&1"):format(program, script, A)):read "a"
    local code, made, found = out:match "^(%w+)\n(%d+)\t(%d+)"
    assert.truthy(code == "full" or code == "io", out)
    assert.equal("0", found, out)
    ann = place.open "ann"
    assert.equal(60 + tonumber(made), ann.types.ticket:count())
  end)

  it("leaves no index behind that nobody uses", function()
    write(A .. "/index", "index.77.mdb\n")
    os.execute(("mkdir '%s/.index.abcdef'; touch '%s/.index.abcdef/data.mdb' '%s/index.5.mdb'"):format(A, A, A))
    place.open("ann"):close()
    assert.equal("index.78.mdb", index():match "[^/]+$")
    local left = io.popen(("ls -A '%s'"):format(A)):read "a"
    assert.equal("index\nindex.78.mdb\nindex.78.mdb-lock\nlock\nlog\nreplica.key\n", left)
  end)
end)
