--- args: takes a command line apart, by a command's own description of what it accepts.
--
-- A command is a table:
--   name, summary (one line), args ("ID [FIELD]"), about (more text), run(ctx) -> exit status
--   past = true: it only reads, and --at POINT has it read the past
--   words = true: its arguments may be words to look for, which may begin with a dash
--   options = { { name = "limit", value = "N", kind = "int", doc = ".." }, { name = "all", short = "a", doc = ".." } }
--   an option with values = 2 takes two words and gives a list of them
--   min, max = how many arguments (max = nil: any number)
-- An option without `value` is a flag; `many = true` gathers a list. Options may stand anywhere before `--`.

local e = require "prophet.error"

local M = {}

--- Options every command has.
M.common = {
  { name = "db", value = "DIR", doc = "the database (else $PROPHET_DB, this directory, the nearest .prophet upwards)" },
  { name = "json", doc = "one JSON object a line; errors too" },
  { name = "format", value = "TEXT", doc = 'a line a result, as in "#{n} {status:7} {summary}"' },
  { name = "quiet", short = "q", doc = "results only, no remarks" },
  { name = "dry-run", doc = "say what would be done, do nothing" },
  { name = "help", short = "h", doc = "what this command does" },
}

-- What commands with `past = true` have as well.
local past = { { name = "at", value = "POINT", doc = "the database as it was: a version, a time, or a changeset's id" } }

local function usage(message, hint, value)
  e.raise { code = "usage", message = message, hint = hint, value = value }
end

--- All options of a command, its own first.
---@param command table?
---@return table[]
function M.options(command)
  local all = {}
  for _, list in ipairs { command and command.options or {}, command and command.past and past or {}, M.common } do
    table.move(list, 1, #list, #all + 1, all)
  end
  return all
end

local function table_of(command)
  local long, short, names = {}, {}, {}
  for _, option in ipairs(M.options(command)) do
    long[option.name] = option
    if option.short then short[option.short] = option end
    names[#names + 1] = "--" .. option.name
  end
  return long, short, names
end

local function check_value(option, text)
  if option.kind == "int" then
    local n = math.tointeger(tonumber(text))
    if not n or n < (option.min or 0) then
      usage(("--%s takes a number, not %q"):format(option.name, text), nil, text)
    end
    return n
  end
  if option.choices then
    for _, choice in ipairs(option.choices) do
      if choice == text then return text end
    end
    usage(("--%s takes one of %s, not %q"):format(option.name, table.concat(option.choices, ", "), text), nil, text)
  end
  return text
end

local function put(out, option, value)
  local key = option.name:gsub("-", "_")
  if option.many then
    out[key] = out[key] or {}
    table.insert(out[key], value)
  elseif out[key] ~= nil and option.value then
    usage(("--%s is given twice"):format(option.name))
  else
    out[key] = value
  end
end

local function unknown(command, text, names)
  usage(("no option %s"):format(text),
    e.closest(text, names) and ("did you mean %s?"):format(e.closest(text, names))
      or command and ("prophet %s --help lists them"):format(command.name) or "prophet help lists them", text)
end

-- -News beside words to look for is meant as "not this word" more often than as a flag -N.
local function unknown_flag(command, text, names)
  if #text <= 2 or not (command and command.words) then return unknown(command, text:sub(1, 2), names) end
  usage(("no option %s"):format(text:sub(1, 2)), ("words that begin with a dash stand behind --: prophet %s .. -- %s"):format(command.name, text), text)
end

--- Takes apart argv[from ..]. Gives the options by name (dashes as underscores) and the list of arguments.
---@param command table?
---@param argv string[]
---@param from integer
---@return table options
---@return string[] arguments
function M.parse(command, argv, from)
  local long, short, names = table_of(command)
  local options, rest = {}, {}
  local i = from
  while i <= #argv do
    local text = argv[i]
    local name, equals, value = text:match("^%-%-([^=]+)(=?)(.*)$")
    local option
    if text == "--" then
      table.move(argv, i + 1, #argv, #rest + 1, rest)
      break
    elseif name then
      option = long[name]
      if not option then unknown(command, "--" .. name, names) end
      if equals == "" then value = nil end
    elseif text:find("^%-%a") then
      option = short[text:sub(2, 2)]
      if not option then unknown_flag(command, text, names) end
      if #text > 2 then value = text:sub(3) end
    end
    if not option then
      rest[#rest + 1] = text
    elseif option.value then
      if value == nil then
        i = i + 1
        value = argv[i]
      end
      if value == nil then usage(("--%s wants a value: %s"):format(option.name, option.value)) end
      if option.values == 2 then
        i = i + 1
        if argv[i] == nil then usage(("--%s wants two values: %s"):format(option.name, option.value)) end
        put(options, option, { value, argv[i] })
      else
        put(options, option, check_value(option, value))
      end
    else
      if value ~= nil then usage(("--%s takes no value"):format(option.name), nil, value) end
      put(options, option, true)
    end
    i = i + 1
  end
  return options, rest
end

--- Raises `usage` when there are too few or too many arguments.
---@param command table
---@param rest string[]
function M.count(command, rest)
  local how = "prophet " .. command.name .. (command.args and " " .. command.args or "")
  if #rest < (command.min or 0) then
    local lost = command.args and (command.args:find "%f[%u]ID%f[%U]" or command.args:find "CONFLICT")
    usage(("%s wants %s"):format(command.name, command.args or "no arguments"),
      lost and how .. "; '#1' in quotes, or the shell takes it for a comment" or how)
  end
  local most = command.max
  if most == nil and not command.args then most = 0 end
  if most and #rest > most then
    usage(("%s has no use for %q"):format(command.name, rest[most + 1]), how, rest[most + 1])
  end
end

local function option_line(option)
  local left = (option.short and "-" .. option.short .. ", " or "    ") .. "--" .. option.name
    .. (option.value and " " .. option.value or "")
  return ("  %-26s %s"):format(left, option.doc or "")
end

--- The help text of a command.
---@param command table
---@return string
function M.help(command)
  local out = { ("prophet %s%s"):format(command.name, command.args and " " .. command.args or ""), "", command.summary }
  if command.about then
    out[#out + 1] = ""
    out[#out + 1] = (command.about:gsub("%s+$", ""))
  end
  if command.options and #command.options > 0 then
    out[#out + 1] = ""
    for _, option in ipairs(command.options) do out[#out + 1] = option_line(option) end
  end
  out[#out + 1] = ""
  out[#out + 1] = "with every command:"
  for _, option in ipairs(command.past and past or {}) do out[#out + 1] = option_line(option) end
  for _, option in ipairs(M.common) do out[#out + 1] = option_line(option) end
  return table.concat(out, "\n")
end

return M
