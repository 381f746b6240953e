--- context: what a running command has at hand: its options, the database, and the ways to say something.

local e = require "prophet.error"
local format = require "prophet.format"
local hints = require "prophet.cli.hints"

local Context = {}
Context.__index = Context

---@class prophet.cli.Context
---@field command table      the command that runs
---@field options table      its options by name
---@field args string[]      its arguments
---@field stdout file*
---@field stderr file*
---@field stdin file*
---@field prophet table      the library

local M = {}

--- Makes the context of one command.
---@param command table
---@param options table
---@param args string[]
---@param streams table  stdout, stderr, stdin, getenv
---@return prophet.cli.Context
function M.new(command, options, args, streams)
  return setmetatable({
    command = command, options = options, args = args, prophet = require "prophet",
    template = options.format and format.parse(options.format) or nil, -- one that is none is told before anything is written
    stdout = streams.stdout, stderr = streams.stderr, stdin = streams.stdin, getenv = streams.getenv,
  }, Context)
end

local function is_replica(path)
  local file = io.open(path .. "/log", "r") -- a directory opens for reading, and then reads nothing
  if file then file:close() end
  return file ~= nil
end

-- Is this directory a replica, whatever it is called? Others have a `log` too, but not such files in it.
local function stands_in_replica()
  local core = require "prophet.core"
  local names = core.path_kind "log" == "directory" and e.try(core.list_dir, "log") -- one that may not be listed is none
  for _, name in ipairs(names or {}) do
    if name:find "^%d%d%d%d%d%d%d%d%.log$" then return true end
  end
  return false
end

--- Where the database is, if --db does not say it: $PROPHET_DB, this directory if it is one, else the nearest .prophet upwards.
---@param getenv fun(name: string): string?
---@return string
function M.database(getenv)
  local given = getenv "PROPHET_DB"
  if given and given ~= "" then return given end
  if stands_in_replica() then return "." end
  local up = ""
  for _ = 1, 64 do
    if is_replica(up .. ".prophet") then return up .. ".prophet" end
    up = up .. "../"
  end
  e.raise { code = "not_found", message = "no database here: neither this directory nor one above it has a .prophet",
    hint = "prophet init makes one; --db DIR or PROPHET_DB names one" }
end

--- The directory of the database.
---@return string
function Context:database()
  local given = self.options.db
  return given and given ~= "" and given or M.database(self.getenv)
end

--- Who changes are by: $PROPHET_USER, else what the mail and git world uses.
---@return string?
function Context:user()
  for _, name in ipairs { "PROPHET_USER", "EMAIL" } do
    local v = self.getenv(name)
    if v and v ~= "" then return v end
  end
  local name, host = self.getenv "USER", self.getenv "HOSTNAME"
  return name and name ~= "" and (host and host ~= "" and name .. "@" .. host or name) or nil
end

-- A list of paths separated by colons; nil: none.
local function named(text)
  if not text or text == "" then return nil end
  local out = {}
  for path in text:gmatch "[^:]+" do out[#out + 1] = path end
  return out
end

--- Opens the database, with the schemas and resolvers that $PROPHET_SCHEMAS and $PROPHET_RESOLVERS name. It is closed
-- when the command ends.
---@param reading boolean?
---@param progress function?  told how far the building of indexes is
---@return table db
function Context:open(reading, progress)
  local options = { progress = progress, user = self:user(), schemas = named(self.getenv "PROPHET_SCHEMAS"),
    resolvers = named(self.getenv "PROPHET_RESOLVERS") }
  local db, err = e.try(self.prophet.open, self:database(), options)
  if not db and err.code == "readonly" and reading then
    options.readonly = true
    db, err = e.try(self.prophet.open, self:database(), options)
  end
  if not db then error(err, 0) end
  self:adopt(db)
  if db.notice then self:warn(db.notice) end
  return db
end

--- The same, to read; with --at: as it was then.
---@return table db
function Context:read()
  local db = self:open(true)
  if not self.options.at then return db end
  return self:adopt(db:as_of(require("prophet.point").parse(self.options.at)))
end

--- Takes an open handle over: it is closed when the command ends.
---@param db table
---@return table db
function Context:adopt(db)
  self.handles = self.handles or {}
  table.insert(self.handles, db)
  return db
end

-- Names of the template that no result had: a slip of the pen prints empty columns. (What gives values by a function knows its names.)
local function warn_of_empty(self)
  local absent = {}
  for _, part in ipairs(self.template or {}) do
    if part.name and self.filled and not self.filled[part.name] then absent[#absent + 1] = "{" .. part.name .. "}" end
  end
  if #absent > 0 then self:warn(("--format: nothing here has %s (--json shows all names)"):format(table.concat(absent, " or "))) end
end

--- Closes what was opened, newest first.
function Context:close()
  warn_of_empty(self)
  for i = #(self.handles or {}), 1, -1 do self.handles[i]:close() end
  self.handles = nil
end

--- A line of result.
---@param text string
function Context:print(text)
  self.stdout:write(text, "\n")
end

--- A line that only a person reads: not with --quiet or --json.
---@param text string
function Context:say(text)
  if not self.options.quiet and not self.options.json then self.stdout:write(text, "\n") end
end

--- A line on standard error; an object with --json.
---@param text string
function Context:warn(text)
  if self.options.quiet then return end
  if self.options.json then return self.stderr:write(self.prophet.json.encode { warning = text }, "\n") end
  self.stderr:write("prophet: ", text, "\n")
end

--- An error that does not end the command, on standard error.
---@param err any
---@param about? string  what failed
function Context:fail(err, about)
  err = e.wrap(err)
  err.hint = hints.of(err.hint)
  if self.options.json then
    self.stderr:write(self.prophet.json.encode { error = { code = err.code, message = err.message, hint = err.hint, about = about } }, "\n")
  else
    self.stderr:write("prophet: ", about and about .. ": " or "", tostring(err), "\n")
  end
end

--- Runs what goes on until a signal ends it, which is its ordinary end. Needs an open database.
---@param fn function
---@param last? string  what is said then
function Context:until_signal(fn, last)
  local core = require "prophet.core"
  core.end_well(true)
  local ok, err = pcall(fn)
  core.end_well(false)
  if not ok and e.wrap(err).code ~= "interrupted" then error(err, 0) end
  if not ok and last then self:say(last) end
end

--- A value as one line of JSON.
---@param value any
function Context:json(value)
  self.stdout:write(self.prophet.json.encode(value), "\n")
end

local function member(value, path)
  for name in path:gmatch "[^.]+" do
    if value == nil then return nil end
    value = value[name]
  end
  return value
end

--- One result: as JSON with --json, through the template with --format, else as the given text.
---@param value table     what --json prints; a function is called for it
---@param text string|function
---@param get? fun(name: string): any  where --format takes its names from (value if absent)
function Context:result(value, text, get)
  if self.options.json then
    if type(value) == "function" then value = value() end
    return self:json(value)
  end
  if self.options.format then
    if not get and type(value) == "function" then value = value() end
    if get then return self:print(format.render(self.template, get)) end
    self.filled = self.filled or {}
    return self:print(format.render(self.template, function(name)
      local found = member(value, name)
      if found ~= nil then self.filled[name] = true end
      return found
    end))
  end
  if type(text) == "function" then text = text() end
  if text then self:print(text) end
end

--- Inside a change, of what it makes: a name that --format has and the record has not is told before it is written.
---@param get fun(name: string): any
function Context:try_format(get)
  if self.template and not self.options.json then format.render(self.template, get) end
end

--- What a dry run, or a command without a result of its own, has to say: an object with --json, with the command's arguments in it; else a remark.
---@param value table
---@param text string
function Context:told(value, text)
  if self.options.dry_run then value.dry_run = true end
  return self:result(value, not self.options.quiet and text or nil)
end

--- The same of what fn did in `change`: a dry run says "would <verb>" before the text, and dry_run in the object.
---@param verb string
---@param value fun(): table
---@param text fun(): string?
---@param get? fun(name: string): any
function Context:did(verb, value, text, get)
  if not self.options.dry_run then return self:result(value, text, get) end
  self:result(function()
    local said = value()
    said.dry_run = true
    return said
  end, not self.options.quiet and ("would %s %s"):format(verb, text()) or nil, get)
end

--- Runs fn in one change, or only tries it with --dry-run: then nothing is written.
---@param db table
---@param message string?
---@param fn fun(tx: any): any
---@return any
function Context:change(db, message, fn)
  if not self.options.dry_run then
    if message then return db:change(message, fn) end
    return db:change(fn)
  end
  local undo, result = {}, nil
  local ok, err = pcall(db.change, db, function(tx)
    result = table.pack(fn(tx))
    error(undo, 0)
  end)
  if not ok and err ~= undo then error(err, 0) end
  return table.unpack(result, 1, result.n)
end

return M
