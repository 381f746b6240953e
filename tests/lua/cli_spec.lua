-- The command `prophet`, run as people run it: what it prints, what it answers to the shell.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local json = require "dkjson"

local dir

local function prophet(...)
  return cli.run(dir, "prophet", { ... })
end

-- Runs it, and it must end with 0.
local function ok(...)
  local r = prophet(...)
  assert.equal(0, r.status, table.concat({ ... }, " ") .. "\n" .. r.err)
  assert.equal("", r.err)
  return r.out
end

local function fails(status, ...)
  local r = prophet(...)
  assert.equal(status, r.status, r.out .. r.err)
  return r
end

local function objects(text)
  local out = {}
  for i, line in ipairs(cli.lines(text)) do
    local value, _, why = json.decode(line, 1, nil)
    assert.truthy(value, why or line)
    out[i] = value
  end
  return out
end

local TICKET = [[
local f = require "prophet.fields"
return f.record "ticket" {
  f.string "summary" { required = true, fulltext = true },
  f.enum "status" { "new", "open", "closed", default = "new" },
  f.int "severity" { min = 1, max = 5 },
  f.set "tags",
  f.counter "votes",
  f.time "due",
  f.bool "public",
  f.float "cost",
  f.ref "parent" { to = "ticket" },
  f.text "body",
  summary = "#{n} {status:6} {summary}",
  queries = { open = function(type) return type:find { status = "open" } end },
}
]]

describe("the command line", function()
  before_each(function() dir = cli.scratch() end)
  after_each(function() cli.remove(dir) end)

  local function ticket_database()
    ok("init")
    cli.write(dir .. "/ticket.lua", TICKET)
    ok("schema", "apply", "ticket.lua")
  end

  it("says what it is and what it can do", function()
    assert.truthy(ok("version"):find "^prophet %d+%.%d+%.%d+\n$")
    assert.truthy(ok("--version"):find "^prophet %d")
    assert.equal("string", type(objects(ok("version", "--json"))[1].version))
    local text = ok("help")
    for _, name in ipairs { "init", "clone", "log", "export", "check", "rebuild", "stats", "digest", "lua", "version", "pull" } do
      assert.truthy(text:find("\n[%a ]*%f[%a]" .. name .. "%f[%A]"), name)
      assert.truthy(ok("help", name):find("prophet " .. name, 1, true))
      if name ~= "lua" then assert.equal(ok("help", name), ok(name, "--help")) end
    end
    assert.equal(text, ok("--help"))
    assert.equal(2, prophet().status)
  end)

  it("says ways out as a command has them", function()
    ticket_database()
    ok("create", "ticket", "summary=x")
    local function hint(status, said, ...)
      local r = fails(status, ...)
      assert.truthy(r.err:find("(" .. said, 1, true), r.err)
    end
    hint(2, "prophet show ID ...; '#1' in quotes, or the shell takes it for a comment)", "show")
    hint(2, "FIELD+=N adds to a counter", "update", "#1", "votes=3")
    hint(2, "name the words to look for", "search", "ticket", "--sort=-score")
    hint(3, "prophet delete takes it away", "revert", "#1", "1")
    hint(3, "prophet init DIR makes one", "info", "--db", "nope")
    hint(2, "words that begin with a dash stand behind --: prophet search .. -- -News)", "search", "ticket", "-News")
    assert.equal("#1 new    x\n", ok("search", "ticket", "--", "-News"))
    assert.truthy(fails(2, "info", "--format", "{x}").err:find('info has no "x"', 1, true))
    assert.equal("2\n", ok("info", "--format", "{version}"))
    local slip = cli.run(dir, "prophet", { "log", "--format", "{version} {nope}" })
    assert.equal(0, slip.status)
    assert.equal("1\n2\n", slip.out)
    assert.equal("prophet: --format: nothing here has {nope} (--json shows all names)\n", slip.err)
    assert.equal("#1 new    x\n", ok("search", "ticket", "n=1..3"))
    assert.equal("", fails(1, "search", "ticket", "n=2..3").out)
    ok("create", "ticket", "summary=Loading... =<div> a/../b")
    for _, word in ipairs { "summary~Loading...", "summary~Loading...\xc2\xa0", "summary~=<div>", "summary~a/../b", "summary=Loading... =<div> a/../b" } do
      local found = cli.run(dir, "prophet", { "search", "ticket", word })
      assert.equal(word:find "\xc2" and "" or "#2 new    Loading... =<div> a/../b\n", found.out, word .. found.err)
    end
  end)

  it("takes the replica it stands in, whatever that is called", function()
    ok("init")
    ok("init", "stick")
    assert.equal(".prophet\n", ok("info", "--format", "{path}"))
    local function path(where) return cli.run(dir .. "/" .. where, "prophet", { "info", "--format", "{path}" }).out end
    assert.equal(".\n", path "stick")
    cli.run(dir, "prophet-lua", { "-e", "os.execute 'mkdir -p work/log'" })
    assert.equal("../.prophet\n", path "work")
  end)

  it("suggests what was meant", function()
    local r = fails(2, "exprot")
    assert.equal('prophet: usage: no command "exprot" (did you mean "prophet export"?)\n', r.err)
    assert.equal("", r.out)
    assert.truthy(fails(2, "log", "--limti", "3").err:find("did you mean --limit?", 1, true))
    fails(2, "digest", "too", "many")
    fails(2, "show")
  end)

  it("gives errors as JSON where --json is asked for", function()
    local err = objects(fails(3, "digest", "--json").err)[1].error
    assert.equal("not_found", err.code)
    assert.equal("string", type(err.message))
    assert.equal("string", type(err.hint))
    assert.equal("usage", objects(fails(2, "digest", "--json", "--nonsense").err)[1].error.code)
  end)

  it("finds its database: --db, PROPHET_DB, the nearest .prophet upwards", function()
    fails(3, "digest")
    assert.truthy(ok("init"):find(".prophet", 1, true))
    local digest = ok("digest")
    assert.truthy(digest:find "^%x+\n$")
    assert.equal(65, #digest)
    os.execute("mkdir -p '" .. dir .. "/a/b'")
    assert.equal(digest, cli.run(dir .. "/a/b", "prophet", { "digest" }).out)
    ok("init", "other")
    local other = ok("digest", "--db", "other")
    assert.equal(other, ok("--db", "other", "digest"))
    assert.equal(other, cli.run(dir, "prophet", { "digest" }, { env = "PROPHET_DB=other" }).out)
    assert.equal(digest, cli.run(dir, "prophet", { "--db", ".prophet", "digest" }, { env = "PROPHET_DB=other" }).out)
    fails(3, "digest", "--db", "nowhere")
  end)

  it("does not make a database over another", function()
    ok("init")
    local before = ok("digest")
    assert.truthy(fails(4, "init").err:find("exists", 1, true))
    assert.equal(before, ok("digest"))
    ok("init", "--dry-run", "third")
    fails(3, "digest", "--db", "third")
  end)

  it("makes, shows, changes, finds and deletes records", function()
    ticket_database()
    assert.equal("#1 new    Crash on save\n",
      ok("create", "ticket", "summary=Crash on save", "severity=2", "tags=ui,editor", "due=2026-03-01", "public=yes", "cost=1.5"))
    local t = objects(ok("show", "#1", "--json"))[1]
    assert.equal("ticket", t.type)
    assert.equal(1, t.n)
    assert.equal(2, t.fields.severity)
    assert.same({ "editor", "ui" }, (function() table.sort(t.fields.tags) return t.fields.tags end)())
    assert.equal(true, t.fields.public)
    assert.equal(1.5, t.fields.cost)
    assert.equal("2026-03-01T00:00:00.000Z", t.fields.due["$time"])
    assert.equal(36, #t.record)

    ok("update", "#1", "status=open", "votes+=2", "votes-=1", "tags+=crash", "tags-=ui", "severity=", "-m", "seen")
    t = objects(ok("show", t.record:sub(-8), "--json"))[1]
    assert.equal("open", t.fields.status)
    assert.equal(1, t.fields.votes)
    assert.is_nil(t.fields.severity)
    local shown = ok("show", "#1")
    assert.truthy(shown:find("status +open"))
    assert.equal("open|Crash on save\n", ok("show", "#1", "--format", "{status}|{summary}"))

    ok("create", "ticket", "summary=Second", "parent=#1")
    assert.equal("#2 new    Second\n", ok("search", "ticket", "status=new"))
    assert.equal("#2 new    Second\n", ok("search", "ticket", "parent=#1"))
    assert.equal("#1 open   Crash on save\n", ok("search", "ticket", "tags=crash", "summary~Crash"))
    assert.equal("#1 open   Crash on save\n", ok("search", "ticket", "status!=new tags:crash sort:-summary limit:1"))
    assert.equal("#1 open   Crash on save\n", ok("search", "ticket", "summary=Crash on save"))
    assert.truthy(ok("search", "ticket", "--explain", "status=new"):find("1 rows", 1, true))
    assert.equal("#1 open   Crash on save\n    summary: [Crash] on save\n", ok("search", "ticket", "crash", "--snippets", "--sort=-score"))
    assert.truthy(ok("search", "ticket", "crash", "--snippets", "--json"):find('"snippet":{"field":"summary","text":"[Crash] on save"}', 1, true))
    assert.truthy(fails(3, "search", "ticket", "status=new (statsu=open)").err:find("column 13", 1, true))
    assert.truthy(fails(2, "search", "ticket", "status==new").err:find("column 8: a value does not begin", 1, true))
    assert.truthy(fails(2, "search", "ticket", "severity", "=3").err:find("without spaces", 1, true))
    assert.equal("#1 open   Crash on save\n", ok("search", "ticket", 'summary^"Crash on"'))
    assert.truthy(fails(2, "search", "ticket", "@open").err:find("PROPHET_SCHEMAS", 1, true))
    local named = cli.run(dir, "prophet", { "search", "ticket", "@open" }, { env = "PROPHET_SCHEMAS=ticket.lua" })
    assert.equal("#1 open   Crash on save\n", named.out)
    assert.equal("2\n", ok("search", "ticket", "--count"))
    assert.equal("#2\n#1\n", ok("search", "ticket", "--sort", "-summary", "--format", "#{n}"))
    assert.equal("#1\n", ok("search", "ticket", "--sort", "summary", "--limit", "1", "--format", "#{n}"))
    assert.equal("", fails(1, "search", "ticket", "status=closed").out)

    local before = ok("digest")
    assert.truthy(fails(2, "create", "ticket", "summary=Third", "--format", "{n").err:find("without its }", 1, true))
    assert.truthy(fails(3, "create", "ticket", "summary=Third", "--format", "{nmae}").err:find('no field "nmae"', 1, true))
    assert.truthy(fails(3, "update", "#2", "summary=Third", "--format", "{nmae}").err:find('no field "nmae"', 1, true))
    assert.truthy(fails(2, "update", "#2", "summary=a", "status=open", "summary=b").err:find('field "summary" is given twice', 1, true))
    assert.equal("", fails(3, "delete", "#2", "#99").out)
    assert.equal(before, ok("digest"))

    ok("delete", "#2")
    assert.equal("1\n", ok("search", "ticket", "--count"))
    local history = ok("history", "#1")
    assert.truthy(history:find("seen", 1, true))
    assert.truthy(history:find("status: \"new\" -> \"open\"", 1, true))
    assert.truthy(ok("blame", "#1"):find("status", 1, true))
  end)

  it("asks the past, and takes back", function()
    ticket_database()
    ok("create", "ticket", "summary=one", "severity=2")
    local then_ = ok("log", "--limit", "1", "--format", "{version}"):match "%d+"
    ok("update", "#1", "summary=two", "tags+=ui")
    ok("create", "ticket", "summary=later")
    assert.truthy(ok("show", "#1", "--at", then_):find("one", 1, true))
    assert.equal("#1\n", ok("--at", then_, "search", "ticket", "--format", "#{n}"))
    fails(3, "show", "#2", "--at", then_)
    fails(3, "show", "#1", "--at", "99")
    fails(4, "show", "#1", "--at", "yesterday")
    fails(2, "update", "#1", "summary=x", "--at", then_)

    assert.equal('summary: "one" -> "two"\ntags: nothing -> ui\n', ok("diff", "#1", then_))
    assert.truthy(ok("diff", then_):find("ticket #2 create", 1, true))
    local all = objects(ok("diff", then_, "--json"))
    assert.equal(2, #all)
    assert.equal("two", objects(ok("diff", "#1", then_, "--json"))[1].new)
    assert.equal("", fails(1, "diff", then_, then_).out)
    fails(2, "diff", "#1")
    fails(2, "diff", "1", "2", "3")

    local changed = tostring(math.tointeger(then_) + 1)
    assert.truthy(ok("revert", changed, "--dry-run"):find("would take back", 1, true))
    assert.truthy(ok("show", "#1"):find("two", 1, true))
    assert.truthy(ok("revert", changed):find("revert " .. changed, 1, true))
    assert.truthy(ok("show", "#1"):find("one", 1, true))
    ok("undo", "--dry-run")
    ok("undo")
    assert.truthy(ok("show", "#1"):find("two", 1, true))
    ok("revert", "#1", then_)
    assert.truthy(ok("show", "#1"):find("one", 1, true))
    ok("delete", "#1")
    assert.equal("nothing of it is left\n", fails(1, "revert", changed).out)
    ok("revert", "#1", then_)
    assert.truthy(ok("show", "#1"):find("one", 1, true))
    fails(3, "revert", "99")
    fails(2, "revert", "nonsense")
  end)

  it("names what is wrong, with the manual's exit status", function()
    ticket_database()
    assert.truthy(fails(3, "create", "tiket", "summary=x").err:find("ticket", 1, true))
    assert.truthy(fails(3, "create", "ticket", "sumary=x").err:find("summary", 1, true))
    fails(4, "create", "ticket", "severity=1")
    fails(4, "create", "ticket", "summary=x", "severity=9")
    fails(4, "create", "ticket", "summary=x", "severity=many")
    fails(4, "create", "ticket", "summary=x", "status=opne")
    fails(3, "show", "#77")
    fails(2, "create", "ticket", "summary")
    fails(2, "create", "ticket", "summary=a", "summary=b")
    fails(2, "update", "nothing")
    assert.equal("0\n", fails(1, "search", "ticket", "--count").out)
  end)

  it("writes nothing with --dry-run", function()
    ticket_database()
    local before = ok("digest")
    ok("create", "ticket", "summary=x", "--dry-run")
    assert.equal(before, ok("digest"))
    ok("create", "ticket", "summary=x")
    before = ok("digest")
    for args, said in pairs {
      ["create ticket summary=y"] = "would create #2 new    y", ["update #1 status=open"] = "would update #1 open   x",
      ["delete #1"] = "would delete #1 new    x", ["settings colours red blue"] = "would set colours: red,blue",
      ["settings colours --unset"] = "would unset colours", ["schema apply ticket.lua"] = "ticket: nothing new",
      ["schema apply other.lua"] = "other: would be defined",
    } do
      cli.write(dir .. "/other.lua", 'return require("prophet.fields").record "other" {}')
      local words = { "--dry-run" }
      for word in args:gmatch "%S+" do words[#words + 1] = word end
      assert.equal(said .. "\n", ok(table.unpack(words)), args)
      assert.equal("", args:find "apply" and "" or ok("--quiet", table.unpack(words)))
      assert.equal(before, ok("digest"))
    end
    ok("update", "#1", "status=open")
    assert.equal("would revert #1 new    x\n", ok("revert", "#1", "2", "--dry-run"))
    assert.truthy(ok("show", "#1"):find("open", 1, true))
  end)

  it("prints the log and the export of the contract", function()
    ticket_database()
    ok("create", "ticket", "summary=x", "tags=a,b", "-m", "why")
    local log = objects(ok("log", "--json"))
    local last = log[#log]
    assert.equal("why", last.message)
    assert.equal(64, #last.id)
    assert.equal(#log, last.version)
    assert.equal("create", last.changes[1].action)
    assert.same({ set = "x", over = {} }, { set = last.changes[1].fields.summary.set, over = last.changes[1].fields.summary.over or {} })
    assert.equal(2, #last.changes[1].fields.tags.add)
    local rows = objects(ok("export", "--json"))
    assert.equal(1, #rows)
    assert.same({ "a", "b" }, rows[1].fields.tags)
    assert.equal("ticket", rows[1].type)
    assert.equal(ok("export"), ok("export", "--json"))
    assert.is_true(#objects(ok("export", "--json", "--all")) > 1)
    ok("export", "-o", "out.jsonl")
    assert.equal(ok("export", "--json"), cli.read(dir .. "/out.jsonl"))
    assert.truthy(ok("log"):find("why", 1, true))
    assert.equal(1, #objects(ok("log", "--json", "--limit", "1")))
    fails(1, "log", "--author", "nobody@example.org")
  end)

  it("says when what it prints is lost", function()
    ticket_database()
    for _, args in ipairs { "digest", "stats", "log --json", "help" } do
      local r = cli.run(dir, "prophet-lua", { "-e", ("local _, _, n = os.execute([[%s/prophet %s >/dev/full]]) os.exit(n)"):format(cli.build, args) })
      assert.equal(13, r.status, args .. r.err)
      assert.truthy(r.err:find("^prophet: io: standard output"), r.err)
    end
  end)

  it("exchanges, and settles conflicts by votes and by writing", function()
    ticket_database()
    ok("create", "ticket", "summary=x")
    ok("clone", ".prophet", "copy")
    assert.equal(ok("digest"), ok("digest", "--db", "copy"))
    ok("--db", "copy", "update", "#1", "status=open")
    ok("update", "#1", "status=closed", "summary=y")
    assert.truthy(ok("pull", "copy", "--dry-run"))
    fails(1, "conflicts")
    ok("pull", "copy")
    local c = objects(ok("conflicts", "--json"))[1]
    assert.equal("status", c.field)
    assert.equal(2, #c.candidates)
    assert.equal("new", c.base)
    assert.equal(5, prophet("conflicts", "--strict").status)
    assert.equal(5, prophet("pull", "copy", "--strict").status)
    local dry = ok("vote", "#1.status", "open", "--dry-run")
    assert.truthy(dry:find "^would vote open in ticket #1 status: .* %[undecided%]\n$", dry)
    dry = ok("resolve", "#1.status", "open", "--dry-run")
    assert.truthy(dry:find "^would write open in ticket #1 status: .* %[undecided%]\n$", dry)
    assert.truthy(fails(2, "vote", "#1.status", "@3").err:find("there is no @3: 2 candidates", 1, true))
    assert.truthy(fails(2, "vote", "#1.status").err:find("vote wants CONFLICT VALUE", 1, true))
    assert.truthy(ok("vote", "#1.status", "--unset", "--dry-run"):find "^would vote unset in ticket #1 status")
    assert.equal(0, #objects(ok("conflicts", "--json"))[1].votes)
    ok("vote", c.id:sub(1, 10), "open", "--reason", "it does")
    c = objects(ok("conflicts", "--json"))[1]
    assert.equal(true, c.decided)
    assert.equal("open", c.outcome.value)
    assert.equal("it does", c.votes[1].reason)
    ok("resolve", "#1.status", "closed")
    fails(1, "conflicts")
    assert.equal("closed", objects(ok("conflicts", "--all", "--json"))[1].status)
    ok("sync", "copy")
    assert.equal(ok("digest"), ok("digest", "--db", "copy"))
    assert.equal(ok("export"), ok("export", "--db", "copy"))
    fails(3, "vote", "ffff", "open")
    fails(4, "clone", ".prophet", "copy")
    fails(3, "clone", "nowhere", "copy2")
    ok("init", "stranger")
    ok("--db", "stranger", "settings", "a", "b")
    fails(11, "pull", "stranger")
  end)

  it("writes bundles and takes them in", function()
    ticket_database()
    ok("create", "ticket", "summary=x")
    assert.truthy(ok("bundle", "all.bundle"):find "^all.bundle: %d+ changesets?, %d+ bytes")
    ok("clone", "all.bundle", "copy")
    assert.equal(ok("digest"), ok("digest", "--db", "copy"))
    local version = ok("info", "--json"):match '"version":(%d+)'
    ok("create", "ticket", "summary=y")
    assert.equal(1, objects(ok("bundle", "part.bundle", "--since", version, "--json"))[1].changesets)
    ok("--db", "copy", "apply", "part.bundle")
    assert.equal(ok("digest"), ok("digest", "--db", "copy"))
    fails(3, "clone", "part.bundle", "copy2")
    fails(3, "bundle", "x", "--since", "9999")
    cli.write(dir .. "/letter", "dear ann, this is a letter and no bundle")
    fails(12, "apply", "letter")
    fails(2, "apply", "copy")
  end)

  it("checks, rebuilds and counts", function()
    ticket_database()
    ok("create", "ticket", "summary=x")
    assert.truthy(ok("check"):find("sound", 1, true))
    assert.equal(0, objects(ok("check", "--json"))[1].faults)
    local before = ok("export")
    ok("rebuild")
    assert.equal(before, ok("export"))
    assert.truthy(ok("stats"):find("changesets", 1, true))
    assert.equal("number", type(objects(ok("stats", "--json"))[1].changesets))
    assert.equal("", ok("check", "--quiet"))
  end)

  it("adopts a replica that was moved, and gives a copy a key of its own", function()
    ticket_database()
    ok("create", "ticket", "summary=x")
    local function key(where) return objects(ok("info", "--db", where, "--json"))[1].replica end
    local before = key ".prophet"
    assert(os.execute(("cp -a '%s/.prophet' '%s/moved' && cp -a '%s/.prophet' '%s/copied'"):format(dir, dir, dir, dir)))
    ok("adopt", "--db", "moved", "--dry-run")
    assert.truthy(ok("adopt", "--db", "moved"):find("its own key", 1, true))
    assert.equal(before, key "moved")
    local copied = prophet("info", "--db", "copied", "--json")
    assert.truthy(copied.err:find("is a copy", 1, true), copied.err)
    assert.not_equal(before, objects(copied.out)[1].replica)
    fails(3, "adopt", "--db", "nowhere")
  end)

  it("keeps settings, and checks schema files", function()
    ticket_database()
    ok("settings", "components", "core", "ui")
    assert.equal("components: core,ui\n", ok("settings"))
    assert.same({ "core", "ui" }, objects(ok("settings", "components", "--json"))[1].value)
    ok("settings", "components", "--unset")
    fails(3, "settings", "components")
    assert.truthy(ok("schema", "types"):find("ticket", 1, true))
    assert.truthy(ok("schema", "show", "ticket"):find("counter +votes"))
    ok("schema", "check", "ticket.lua")
    cli.write(dir .. "/bad.lua", 'local f = require "prophet.fields"\nreturn f.record "bad" { f.strnig "x" }\n')
    assert.truthy(fails(4, "schema", "check", "bad.lua").err:find("string", 1, true))
    fails(3, "schema", "check", "nowhere.lua")
    cli.write(dir .. "/none.lua", "return { { name = 'ticket' } }")
    assert.truthy(fails(4, "schema", "check", "none.lua").err:find("none.lua: a record type is wanted", 1, true))
    cli.write(dir .. "/none.lua", "return { name = 'ticket' }")
    assert.truthy(fails(4, "schema", "check", "none.lua").err:find("none.lua: a record type is wanted", 1, true))
    cli.write(dir .. "/worse.lua", "this is no Lua")
    fails(4, "schema", "check", "worse.lua")
    cli.write(dir .. "/worst.lua", "error 'boom'")
    assert.truthy(fails(4, "schema", "check", "worst.lua").err:find("boom", 1, true))
    fails(2, "schema", "frobnicate")
  end)

  it("runs scripts: prophet-lua is prophet lua", function()
    cli.write(dir .. "/s.lua", 'print(arg[0], arg[1], ..., require "prophet".version)')
    local r = cli.run(dir, "prophet-lua", { "s.lua", "a" })
    assert.equal(0, r.status)
    assert.truthy(r.out:find "^s.lua\ta\ta\t%d")
    assert.equal(r.out, cli.run(dir, "prophet", { "lua", "s.lua", "a" }).out)
    assert.equal("3\n", cli.run(dir, "prophet-lua", { "-e", "print(1 + 2)" }).out)
    assert.equal("4\n", cli.run(dir, "prophet-lua", { "-" }, { input = "print(4)" }).out)
    r = cli.run(dir, "prophet-lua", { "-e", "error 'boom'" })
    assert.equal(7, r.status)
    assert.truthy(r.err:find("boom", 1, true))
    r = cli.run(dir, "prophet-lua", { "-e", "require 'prophet'.open 'nowhere'" })
    assert.equal(3, r.status)
  end)
end)
