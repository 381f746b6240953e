-- The stubs in lua/types say what there is: each name in them is in the module, and each name of the module in them.
local SOURCE = os.getenv "PROPHET_SOURCE_DIR" or "."
local prophet = require "prophet"
local fields = require "prophet.fields"

-- Functions by the class they are stubbed for: { ["prophet.db"] = { pull = true } }, and the documented members.
local function read_stubs()
  local functions, members = {}, {}
  for _, name in ipairs { "prophet", "db", "records", "fields", "resolver" } do
    local class, of = nil, {}
    for line in io.lines(("%s/lua/types/%s.lua"):format(SOURCE, name)) do
      class = line:match "^%-%-%-@class ([%w_.]+)" or class
      local member = line:match "^%-%-%-@field ([%w_]+)"
      if member then
        members[class] = members[class] or {}
        members[class][member] = true
      end
      local object = line:match "^local ([%w_]+) = {}"
      if object then of[object] = class end
      local on, fn = line:match "^function ([%w_]+)[.:]([%w_]+)%("
      if on then
        local owner = assert(of[on], line)
        functions[owner] = functions[owner] or {}
        functions[owner][fn] = true
      end
    end
  end
  return functions, members
end

local stubs, members = read_stubs()

local function sorted(set)
  local out = {}
  for k in pairs(set) do out[#out + 1] = k end
  table.sort(out)
  return out
end

describe("the stubs", function()
  local dir = os.tmpname()
  os.remove(dir)
  local db, record, conflict, query, server, live

  setup(function()
    db = prophet.open(dir .. "-a", { create = true, durability = "relaxed" })
    db:define(fields.record "ticket" { fields.string "s", fields.set "tags", fields.counter "n1" })
    record = db.types.ticket:create { s = "x" }
    local copy <close> = prophet.clone(dir .. "-a", dir .. "-b", { durability = "relaxed" })
    copy.types.ticket:must(record.id):set { s = "y" }
    record:set { s = "z" }
    db:pull(dir .. "-b")
    for c in db:conflicts {} do conflict = c end
    query = db.types.ticket:find {}
    server = db:serve { listen = "127.0.0.1:0", background = true }
    live = db:sync(dir .. "-b", { live = true, background = true })
  end)
  teardown(function()
    server:close()
    db:close()
    os.execute(("rm -rf '%s-a' '%s-b'"):format(dir, dir))
  end)

  it("name only functions that exist", function()
    local objects = { prophet = prophet, ["prophet.q"] = prophet.q, ["prophet.json"] = prophet.json, ["prophet.fields"] = fields,
      ["prophet.db"] = db, ["prophet.Type"] = db.types.ticket, ["prophet.Record"] = record, ["prophet.Query"] = query,
      ["prophet.Conflict"] = conflict, ["prophet.errors"] = prophet.error, ["prophet.csv"] = prophet.csv,
      ["prophet.Server"] = server, ["prophet.Live"] = live, ["prophet.Watch"] = query:watch(function() end) }
    for class, names in pairs(stubs) do
      if class ~= "prophet.Question" then -- seen by resolvers only
        assert.truthy(objects[class], class)
        for name in pairs(names) do
          assert.equal("function", type(objects[class][name]), class .. "." .. name)
        end
      end
    end
  end)

  it("leave nothing of the module out", function()
    local function all(class, object)
      local missing = {}
      for name in pairs(object) do
        if type(name) == "string" and not (stubs[class] or {})[name] and not (members[class] or {})[name] then
          missing[name] = true
        end
      end
      assert.same({}, sorted(missing), class)
    end
    all("prophet", prophet)
    all("prophet.q", prophet.q)
    all("prophet.json", prophet.json)
    all("prophet.errors", prophet.error)
    all("prophet.csv", prophet.csv)
  end)

  it("have all methods that the Lua side defines", function()
    local classes = { db = "prophet.db", types = "prophet.Type", query = "prophet.Query", conflicts = "prophet.Conflict",
      record = "prophet.Record", serve = "prophet.Server", live = "prophet.Live", watch = "prophet.Watch" }
    for file, class in pairs(classes) do
      local count = 0
      for line in io.lines(("%s/lua/prophet/%s.lua"):format(SOURCE, file)) do
        local name = line:match "^function methods%.([%w_]+)" or line:match "^methods%.([%w_]+) ="
          or line:match "^function properties%.([%w_]+)"
        if name then
          count = count + 1
          assert.is_true(stubs[class][name] or members[class][name], ("%s has no %s"):format(class, name))
        end
      end
      assert.is_true(count > 0, file)
    end
  end)

  it("know every field kind", function()
    for _, kind in ipairs(require "prophet.field_options".kinds) do
      assert.is_true(stubs["prophet.fields"][kind], kind)
    end
  end)
end)
