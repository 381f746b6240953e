-- How command lines are taken apart, and what exit status each error has. Nothing needs to be built.
package.path = (os.getenv("PROPHET_LUA_DIR") or (os.getenv("PROPHET_SOURCE_DIR") or ".") .. "/lua") .. "/?.lua;" .. package.path

local args = require "prophet.cli.args"
local e = require "prophet.error"
local exit = require "prophet.cli.exit"

local command = {
  name = "log", args = "[A [B]]", min = 0, max = 2, summary = "s",
  options = {
    { name = "limit", value = "N", kind = "int", min = 1 }, { name = "all", short = "a" },
    { name = "message", short = "m", value = "TEXT" }, { name = "tag", value = "T", many = true },
    { name = "how", value = "HOW", choices = { "lazy", "eager" } },
  },
}

local function parse(...)
  return args.parse(command, { ... }, 1)
end

local function usage(...)
  local _, err = e.try(parse, ...)
  assert.equal("usage", err and err.code)
  return err
end

describe("a command line", function()
  it("has options anywhere, and arguments between", function()
    local o, rest = parse("x", "--limit", "5", "y", "--all", "--db=d", "-m", "why not", "-q", "--dry-run")
    assert.same({ limit = 5, all = true, db = "d", message = "why not", quiet = true, dry_run = true }, o)
    assert.same({ "x", "y" }, rest)
  end)

  it("takes short options with their value", function()
    assert.equal("why", parse("-mwhy").message)
  end)

  it("gathers what may be given several times", function()
    assert.same({ "a", "b" }, parse("--tag", "a", "--tag=b").tag)
    usage("--limit", "1", "--limit", "2")
  end)

  it("ends its options at --, and takes dashes that are no options", function()
    local o, rest = parse("--", "--all", "-a")
    assert.same({}, o)
    assert.same({ "--all", "-a" }, rest)
    o, rest = parse("-", "-5", "f-=3")
    assert.same({}, o)
    assert.same({ "-", "-5", "f-=3" }, rest)
  end)

  it("keeps an empty value and an equals sign in it", function()
    assert.equal("", parse("--message=").message)
    assert.equal("a=b", parse("--message=a=b").message)
  end)

  it("names what is wrong and what was meant", function()
    assert.equal("did you mean --limit?", usage("--limti", "3").hint)
    assert.equal("did you mean --json?", usage("--jsn").hint)
    usage("-z")
    usage("--limit")
    usage("--limit", "x")
    usage("--limit", "0")
    usage("--limit", "1.5")
    usage("--all=yes")
    usage("--how", "soon")
  end)

  it("counts arguments", function()
    args.count(command, { "a", "b" })
    assert.is_false(pcall(args.count, command, { "a", "b", "c" }))
    assert.is_false(pcall(args.count, { name = "x", args = "A", min = 1 }, {}))
    assert.is_false(pcall(args.count, { name = "x" }, { "a" }))
    args.count({ name = "x", args = "A ...", min = 1 }, { "a", "b", "c", "d" })
  end)

  it("explains itself", function()
    local text = args.help(command)
    for _, word in ipairs { "prophet log [A [B]]", "--limit N", "-a, --all", "--json", "--db DIR" } do
      assert.truthy(text:find(word, 1, true), word)
    end
  end)
end)

describe("an exit status", function()
  it("is the one of the manual, for every code", function()
    local status = {
      usage = 2, not_found = 3, ambiguous = 3, unknown_type = 3, unknown_field = 3, validation = 4, immutable = 4, schema = 4,
      exists = 4, network = 6, remote = 6, blob_absent = 6, script = 7, budget = 8, needs_scan = 8, busy = 9, stale = 9,
      readonly = 9, untrusted = 10, unsigned = 10, unrelated = 11, forked = 11, version_skew = 11, corrupt = 12, full = 13,
      io = 13, memory = 13, interrupted = 130,
    }
    for _, code in ipairs(e.codes) do assert.equal(status[code], exit.of(code), code) end
  end)
end)

describe("every command", function()
  it("has a name, a summary and a run, and is named like its file", function()
    local file = assert(io.open("lua/prophet/cli/list.lua"))
    local source = file:read "a"
    file:close()
    local count = 0
    for group in source:gmatch '\n  { (".-) },' do
      local first = true
      for name in group:gmatch '"([%w_]+)"' do
        if not first then
          count = count + 1
          local chunk = assert(loadfile(("lua/prophet/cli/%s_command.lua"):format(name)))
          local it = chunk()
          assert.equal(name, it.name)
          assert.equal("string", type(it.summary))
          assert.equal("function", type(it.run))
          assert.truthy(args.help(it))
        end
        first = false
      end
    end
    assert.is_true(count > 20)
  end)
end)
