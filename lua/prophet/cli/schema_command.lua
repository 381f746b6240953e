--- prophet schema

local e = require "prophet.error"
local format = require "prophet.format"
local progress = require "prophet.cli.progress"

local verbs = {}

function verbs.types(ctx)
  local db = ctx:read()
  for name, type in pairs(db.types) do
    local schema = type:schema()
    ctx:result(schema, ("%-16s %d fields%s"):format(name, #schema.fields, schema.doc and "  " .. schema.doc or ""))
  end
end

-- What a field takes, in words: its values, its bounds, where it points.
local function takes(field)
  local parts = {}
  local function put(text, v)
    if v ~= nil and v ~= false then parts[#parts + 1] = v == true and text or ("%s %s"):format(text, format.plain(v)) end
  end
  put("required", field.required)
  if type(field.values) == "table" then parts[#parts + 1] = "one of " .. table.concat(field.values, ", ") end
  if type(field.values) == "string" then put("values of the", (field.values:gsub(":", " "))) end
  put("or others", field.open)
  put("of", field.of)
  put("to", field.to)
  put("from", field.type)
  put("at least", field.min)
  put("at most", field.max)
  put("else", field.default)
  put("never changed", field.immutable)
  if #parts == 0 then return field.doc or "" end
  return (field.doc and field.doc .. "; " or "") .. table.concat(parts, ", ")
end

function verbs.show(ctx)
  local db = ctx:read()
  local names = table.move(ctx.args, 2, #ctx.args, 1, {})
  if #names == 0 then for name in pairs(db.types) do names[#names + 1] = name end end
  for _, name in ipairs(names) do
    local schema = db.types[name]:schema()
    ctx:result(schema, function()
      local lines = { name }
      for _, field in ipairs(schema.fields) do
        lines[#lines + 1] = (("  %-9s %-16s %s"):format(field.kind, field.name, takes(field)):gsub(" +$", ""))
      end
      return table.concat(lines, "\n")
    end)
  end
end

function verbs.check(ctx)
  for i = 2, #ctx.args do
    for _, record in ipairs(require("prophet.schema").read(ctx.args[i])) do
      ctx:result({ file = ctx.args[i], name = record.name, fields = #record.fields, warnings = record.warnings },
        not ctx.options.quiet and ("%s: %s, %d fields"):format(ctx.args[i], record.name, #record.fields) or nil)
      for _, text in ipairs(record.warnings) do ctx:warn(text) end
    end
  end
end

-- Does defining it change what is stored?
local function define(ctx, db, record)
  local json = ctx.prophet.json
  local known = e.try(function() return json.encode(db.types[record.name]:schema()) end)
  return json.encode(db:define(record):schema()) ~= known
end

function verbs.apply(ctx)
  local schema = require "prophet.schema"
  local records, from, new = {}, {}, {}
  for i = 2, #ctx.args do
    for _, record in ipairs(schema.read(ctx.args[i])) do
      records[#records + 1] = record
      from[#records] = ctx.args[i]
    end
  end
  progress.run(ctx, function(tell) -- of indexes that are built for records that are there
    local db = ctx:open(false, tell)
    ctx:change(db, "schema", function()
      for i, record in ipairs(records) do new[i] = schema.from_file(from[i], define, ctx, db, record) end
    end)
  end)
  local done = ctx.options.dry_run and "would be defined" or "defined"
  for i, record in ipairs(records) do
    ctx:told({ name = record.name, changed = new[i] }, ("%s: %s"):format(record.name, new[i] and done or "nothing new"))
  end
end

return {
  name = "schema", args = "types | show [TYPE] | check FILE ... | apply FILE ...", min = 1, summary = "record types: look, check, define",
  about = "check needs no database: it says what is wrong in a schema file. apply defines the types of files in the database.",
  run = function(ctx)
    local verb = verbs[ctx.args[1]]
    if not verb then
      local names = { "types", "show", "check", "apply" }
      e.raise { code = "usage", message = ("schema has no %q"):format(ctx.args[1]), value = ctx.args[1],
        hint = e.suggest(ctx.args[1], names) }
    end
    if (ctx.args[1] == "check" or ctx.args[1] == "apply") and #ctx.args < 2 then
      e.raise { code = "usage", message = ("schema %s wants a file"):format(ctx.args[1]), hint = "prophet schema check schemas/ticket.lua" }
    end
    return verb(ctx)
  end,
}
