--- list: which commands there are. Each is a module of its own, `prophet.cli.<name>_command`, loaded when it runs.

local args = require "prophet.cli.args"
local e = require "prophet.error"

local M = {}

M.groups = {
  { "start", "init", "clone", "info" },
  { "records", "create", "show", "update", "delete", "search" },
  { "history", "log", "history", "blame", "diff", "revert", "undo" },
  { "exchange", "pull", "push", "sync", "publish", "serve", "bundle", "apply", "remote", "peers", "key" },
  { "conflicts", "conflicts", "vote", "resolve" },
  { "data", "export", "schema", "settings" },
  { "upkeep", "check", "digest", "adopt", "rebuild", "stats" },
  { "scripting", "lua", "help", "version" },
}

local names, known = {}, {}
for _, group in ipairs(M.groups) do
  for i = 2, #group do
    names[#names + 1] = group[i]
    known[group[i]] = true
  end
end
M.names = names

--- The command of that name; an unknown one raises `usage` with the nearest.
---@param name string
---@return table
function M.load(name)
  if not known[name] then
    local near = e.closest(name, names)
    e.raise { code = "usage", message = ("no command %q"):format(name), value = name,
      hint = near and ('did you mean "prophet %s"?'):format(near) or "prophet help lists them" }
  end
  return require("prophet.cli." .. name .. "_command")
end

--- What `prophet help` shows.
---@return string
function M.overview()
  local out = { "prophet COMMAND [ARGUMENTS] [OPTIONS]", "" }
  for _, group in ipairs(M.groups) do
    for i = 2, #group do
      local command = M.load(group[i])
      local usage = command.name .. (command.args and " " .. command.args or "")
      if #usage > 28 then usage = command.name .. " .." end
      out[#out + 1] = ("  %-10s %-28s %s"):format(i == 2 and group[1] or "", usage, command.summary)
    end
  end
  out[#out + 1] = ""
  out[#out + 1] = "prophet COMMAND --help says more. The database is --db DIR, $PROPHET_DB, or the nearest .prophet upwards."
  return table.concat(out, "\n")
end

-- What --json prints of a command.
local function described(group, name)
  local command = M.load(name)
  local options = {}
  for i, option in ipairs(args.options(command)) do
    options[i] = { name = option.name, short = option.short, value = option.value, doc = option.doc }
  end
  return { group = group, name = command.name, args = command.args, summary = command.summary, about = command.about, options = options }
end

--- Writes the help of a command, or of all (name nil): as JSON an object a command.
---@param name string?
---@param out file*
---@param as_json boolean?
function M.help(name, out, as_json)
  if name then M.load(name) end -- raises
  if not as_json then return out:write(name and args.help(M.load(name)) or M.overview(), "\n") end
  local json = require("prophet").json
  for _, group in ipairs(M.groups) do
    for i = 2, #group do
      if not name or name == group[i] then out:write(json.encode(described(group[1], group[i])), "\n") end
    end
  end
end

return M
