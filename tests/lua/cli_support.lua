-- A scratch directory and a way to run the built programs in it, for specs of the command line and the examples.
local M = {}

local build = os.getenv "PROPHET_BUILD_DIR" or "build/release"
local source = os.getenv "PROPHET_SOURCE_DIR" or "."
local base = os.getenv "PROPHET_TEST_DIR" or "/tmp"

local function capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local function absolute(path)
  return path:sub(1, 1) == "/" and path or capture("pwd"):gsub("%s+$", "") .. "/" .. path
end
M.build, M.source = absolute(build), absolute(source)

local function quoted(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- A new empty directory; `remove` takes it away again.
function M.scratch()
  os.execute("mkdir -p " .. quoted(base))
  return (capture("mktemp -d " .. quoted(base .. "/prophet-cli-XXXXXX")):gsub("%s+$", ""))
end

function M.remove(dir)
  assert(dir:find "prophet%-cli%-")
  os.execute("rm -rf " .. quoted(dir))
end

function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- Runs a program of the build in `dir`: what it wrote to both streams, and its exit status.
---@param dir string
---@param program string  "prophet" or "prophet-lua"
---@param args string[]
---@param how? { env: string?, input: string? }
---@return { out: string, err: string, status: integer }
function M.run(dir, program, args, how)
  how = how or {}
  local words = {}
  for i, arg in ipairs(args) do words[i] = quoted(arg) end
  local out, err, input = os.tmpname(), os.tmpname(), os.tmpname()
  M.write(input, how.input or "")
  local clean = "env -u PROPHET_DB -u PROPHET_USER -u EMAIL -u LUA_PATH -u LUA_CPATH USER=tester HOSTNAME="
  local command = ("cd %s && %s %s %s %s >%s 2>%s <%s"):format(quoted(dir), clean, how.env or "",
    quoted(M.build .. "/" .. program), table.concat(words, " "), out, err, input)
  local _, why, status = os.execute(command)
  local result = { out = M.read(out), err = M.read(err), status = why == "exit" and status or 1000 + status }
  os.remove(out)
  os.remove(err)
  os.remove(input)
  return result
end

--- The lines of a text.
function M.lines(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines
end

return M
