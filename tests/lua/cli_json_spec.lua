-- What every command owes to programs: an object with --json, nothing written with --dry-run, options before it, an exit status that says what happened.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local json = require "dkjson"

local dir

local TICKET = [[
local f = require "prophet.fields"
return f.record "ticket" { f.string "summary", f.enum "status" { "new", "open", default = "new" } }
]]

local function run(program, status, args)
  local words = {}
  for word in args:gmatch "%S+" do words[#words + 1] = word end
  local r = cli.run(dir, program, words)
  assert.equal(status, r.status, args .. "\n" .. r.out .. r.err)
  return r
end

local function prophet(args, status)
  return run("prophet", status or 0, args)
end

local function object(text)
  local value, _, why = json.decode(text, 1, nil)
  assert.equal("table", type(value), why or text)
  return value
end

-- The one object that it prints; nothing else.
local function one(args)
  local r = prophet(args)
  assert.equal("", r.err, args)
  assert.equal(1, #cli.lines(r.out), args .. ": " .. r.out)
  return object(r.out)
end

-- Names, sizes and times of all files.
local function state()
  local pipe = assert(io.popen(("cd '%s' && find . -type f ! -name '*lock' ! -name seen -printf '%%p %%s %%T@\\n' | sort"):format(dir)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

describe("every command", function()
  before_each(function()
    dir = cli.scratch()
    prophet "init"
    cli.write(dir .. "/ticket.lua", TICKET)
    prophet "schema apply ticket.lua"
    prophet "create ticket summary=one"
  end)
  after_each(function() cli.remove(dir) end)

  it("remarks as an object, too", function()
    local r = prophet("search ticket status=bogus --json", 1)
    assert.equal("", r.out)
    assert.truthy(object(r.err).warning:find('status is declared without "bogus"', 1, true), r.err)
    assert.truthy(prophet("search ticket status=bogus", 1).err:find("prophet: status is declared", 1, true))
    assert.equal("", prophet("search ticket status=bogus --json --quiet", 1).err)
  end)

  it("says as an object what a dry run would do, and writes nothing", function()
    prophet "remote add there there.depot"
    prophet "digest"
    local before = state()
    for args, wanted in pairs {
      ["undo"] = { dry_run = true }, ["revert 2"] = { dry_run = true }, ["adopt"] = { dry_run = true, adopted = ".prophet" },
      ["rebuild"] = { dry_run = true }, ["init other"] = { dry_run = true, path = "other" }, ["key new k"] = { dry_run = true, path = "k" },
      ["serve"] = { dry_run = true, listen = "127.0.0.1:7733" }, ["remote add x y.depot"] = { dry_run = true, added = "x" },
      ["remote remove there"] = { dry_run = true, removed = "there" }, ["remote rename there here"] = { dry_run = true, renamed = "there", to = "here" },
      ["export -o out"] = { dry_run = true, output = "out" }, ["settings colours red"] = { dry_run = true, name = "colours" },
      ["bundle b"] = { dry_run = true, changesets = 2 }, ["publish d.depot"] = { dry_run = true, changesets = 2 },
      ["clone .prophet c"] = { dry_run = true, changesets = 2 }, ["create ticket summary=x"] = { dry_run = true, n = 2 },
      ["delete #1"] = { dry_run = true, deleted = true }, ["schema apply ticket.lua"] = { dry_run = true, changed = false },
      ["update #1 status=open"] = { dry_run = true, n = 1 },
    } do
      local said = one(args .. " --dry-run --json")
      for name, value in pairs(wanted) do assert.equal(value, said[name], args .. ": " .. name) end
      assert.equal(before, state(), args)
    end
    assert.equal("one", object(prophet "show #1 --json".out).fields.summary)
  end)

  it("says as an object what it has done", function()
    assert.same({ path = "k" }, one "key new k --json")
    assert.same({ added = "x", url = "y.depot" }, one "remote add x y.depot --json")
    assert.same({ renamed = "x", to = "z" }, one "remote rename x z --json")
    assert.same({ removed = "z" }, one "remote remove z --json")
    assert.same({ name = "colours", value = { "red" } }, one "settings colours red --json")
    assert.same({ adopted = ".prophet" }, one "adopt --json")
    assert.truthy(one("undo --json").message:find "^revert %d")
    for _, args in ipairs { "key new k2", "remote add x y.depot", "undo", "bundle b", "publish d.depot", "clone .prophet c", "adopt" } do
      assert.equal("", prophet(args .. " --quiet").out, args)
    end
  end)

  it("is told of by help, as an object too", function()
    local names = {}
    for i, line in ipairs(cli.lines(prophet "help --json".out)) do names[i] = object(line).name end
    assert.is_true(#names > 30)
    for i, line in ipairs(cli.lines(prophet "--help --json".out)) do assert.equal(names[i], object(line).name) end
    local log = one "help log --json"
    assert.equal("history", log.group)
    local options = {}
    for _, option in ipairs(log.options) do options[option.name] = option end
    assert.truthy(options.author.value and options.at and options.json and options.limit.doc)
    assert.same(log, one "log --json --help")
    assert.equal("usage", object(prophet("--json", 2).err).error.code)
    assert.equal("usage", object(prophet("help nonsense --json", 2).err).error.code)
  end)

  it("may list nothing; a question without an answer is a no", function()
    prophet "init empty"
    for _, args in ipairs { "log", "log --json", "log --limit 3", "export", "remote", "peers", "settings", "schema types" } do
      assert.equal("", prophet("--db empty " .. args).out, args)
    end
    for _, args in ipairs { "log --author nobody", "log --json --author nobody", "log --after 7", "log --since 2999-01-01", "conflicts", "undo" } do
      assert.equal("", prophet("--db empty " .. args, args == "undo" and 3 or 1).out, args)
    end
    prophet("search ticket status=open", 1)
  end)

  it("shows how the database stood", function()
    local now = one "info --json"
    assert.equal(2, now.version)
    prophet "create ticket summary=two"
    local at = one "info --at 2 --json"
    assert.equal(now.digest, at.digest)
    assert.same(now.head, at.head)
    assert.equal(2, at.version)
    assert.equal(3, one("--json info").version)
    assert.truthy(prophet "info --at 2".out:find(now.digest, 1, true))
  end)
end)

describe("a bundle that is only tried", function()
  before_each(function()
    dir = cli.scratch()
    prophet "init"
    cli.write(dir .. "/ticket.lua", TICKET)
    prophet "schema apply ticket.lua"
    for i = 1, 3 do prophet("create ticket summary=" .. i) end
  end)
  after_each(function() cli.remove(dir) end)

  it("is counted to the byte, refused as it would be, and not there", function()
    for _, since in ipairs { "", " --since 2" } do
      local tried = one("bundle b --dry-run --json" .. since)
      assert.is_nil(cli.read(dir .. "/b"))
      local made = one("bundle b --json" .. since)
      assert.equal(made.changesets, tried.changesets)
      assert.equal(made.bytes, tried.bytes)
      assert.equal(#cli.read(dir .. "/b"), tried.bytes)
      assert.equal("b: would hold " .. prophet("bundle b" .. since).out:sub(4), prophet("bundle b --dry-run" .. since).out)
      os.remove(dir .. "/b")
    end
    prophet("bundle ticket.lua --dry-run", 4)
    prophet("bundle b --dry-run --since 99", 3)
  end)
end)

describe("options before `lua`", function()
  before_each(function()
    dir = cli.scratch()
    prophet "init d"
    cli.write(dir .. "/s.lua", "print(db and db:version(), ...)")
    cli.write(dir .. "/boom.lua", "error 'a \"boom\"'")
  end)
  after_each(function() cli.remove(dir) end)

  it("belong to it, in any order", function()
    for _, args in ipairs { "--json --db d lua s.lua x", "--db d --json lua s.lua x", "--db=d -q lua s.lua x", "lua --json --quiet --db d s.lua x" } do
      assert.equal("0\tx\n", prophet(args).out, args)
    end
    assert.equal("nil\t--json\n", prophet("--json lua s.lua --json").out)
    assert.equal("0\tx\n", run("prophet-lua", 0, "--json --db d s.lua x").out)
  end)

  it("make errors JSON", function()
    local err = object(prophet("--json lua boom.lua", 7).err).error
    assert.equal("script", err.code)
    assert.truthy(err.message:find('a "boom"', 1, true) and err.message:find("traceback", 1, true))
    err = object(prophet("--json --db nowhere lua s.lua", 3).err).error
    assert.equal("not_found", err.code)
    assert.equal("string", type(err.hint))
    assert.equal("usage", object(prophet("--json lua --nonsense s.lua", 2).err).error.code)
    assert.equal("script", object(prophet("--json lua nothere.lua", 7).err).error.code)
    assert.truthy(prophet("--dry-run lua s.lua", 2).err:find("no option --dry-run", 1, true))
  end)
end)
