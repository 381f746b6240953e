--- main: the command `prophet`. Finds the command, takes its line apart, runs it, and turns what is
-- raised into a line on standard error and an exit status.

local args = require "prophet.cli.args"
local context = require "prophet.cli.context"
local e = require "prophet.error"
local exit = require "prophet.cli.exit"
local hints = require "prophet.cli.hints"
local list = require "prophet.cli.list"

-- Where --json was asked for before the line could be taken apart: errors are JSON then as well.
local function wants_json(argv)
  for _, text in ipairs(argv) do
    if text == "--" then return false end
    if text == "--json" then return true end
  end
  return false
end

local function report(err, streams, json)
  err = e.wrap(err)
  err.hint = hints.of(err.hint)
  if json then
    local out = { code = err.code, message = err.message }
    for _, name in ipairs { "hint", "type", "field", "record", "cause" } do
      if type(err[name]) == "string" then out[name] = err[name] end
    end
    streams.stderr:write(require "prophet".json.encode { error = out }, "\n")
  else
    streams.stderr:write("prophet: ", tostring(err), "\n")
  end
  return exit.of(err.code)
end

-- The first word that is no option is the command; options before it belong to it all the same.
local function find_command(argv)
  local i, words = 1, {}
  while i <= #argv do
    local text = argv[i]
    if text == "--version" then return "version", {} end
    if text == "--" or text == "-" or not text:find "^%-" then break end
    words[#words + 1] = text
    if text == "--db" or text == "--format" or text == "--at" then
      i = i + 1
      words[#words + 1] = argv[i]
    end
    i = i + 1
  end
  local name, before = argv[i], #words
  table.move(argv, i + 1, #argv, #words + 1, words)
  return name, words, before
end

local function run(argv, streams)
  local name, words, before = find_command(argv)
  if not name then
    local options = args.parse(nil, words, 1)
    if options.help then
      list.help(nil, streams.stdout, options.json)
      return exit.done
    end
    if options.json then e.raise { code = "usage", message = "no command is given", hint = "prophet help lists them" } end
    streams.stderr:write(list.overview(), "\n")
    return exit.of "usage"
  end
  local command, why = e.try(list.load, name)
  if not command then
    args.parse(nil, table.move(words, 1, before, 1, {}), 1) -- is it the value of a misspelt option?
    error(why, 0)
  end
  if command.raw then return command.raw(words, streams) end
  local options, rest = args.parse(command, words, 1)
  if options.help then
    list.help(name, streams.stdout, options.json)
    return exit.done
  end
  args.count(command, rest)

  local ctx <close> = setmetatable({ inner = context.new(command, options, rest, streams) }, {
    __close = function(self) self.inner:close() end,
  })
  return command.run(ctx.inner) or exit.done
end

--- Runs a command line. Nothing is raised.
---@param argv string[]   without the program's name
---@param streams table?  stdout, stderr, stdin, getenv: the standard ones where absent
---@return integer status
return function(argv, streams)
  local with = {}
  for name, default in pairs { stdout = io.stdout, stderr = io.stderr, stdin = io.stdin, getenv = os.getenv } do
    with[name] = streams and streams[name] or default
  end
  local ok, status = pcall(run, argv, with)
  if not ok then status = report(status, with, wants_json(argv)) end
  if with.stdout.flush then with.stdout:flush() end
  return status
end
