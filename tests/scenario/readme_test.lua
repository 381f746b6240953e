-- Runs every command of README.md: the ```sh blocks with sh, the ```lua blocks with prophet-lua, in order, in one scratch
-- directory that looks like a built checkout. Commands that are run by themselves (quickstart, tests/run, bench/run) must
-- only be there. A block after a line "<!-- not run: why -->" is left out.

local source, build = os.getenv("PROPHET_SOURCE_DIR") or ".", os.getenv("PROPHET_BUILD_DIR") or "build/release"
local base = os.getenv("PROPHET_TEST_DIR") or "/tmp"
local ELSEWHERE = { ["./quickstart"] = true, ["tests/run"] = true, ["bench/run"] = true, ["git"] = true, ["cd"] = true,
                    ["cmake"] = true, ["ctest"] = true }

local function skip(why)
  print("skipped: " .. why)
  os.exit(0)
end

local readme = io.open(source .. "/README.md")
if not readme then skip("no README.md") end
local program = io.open(build .. "/prophet-lua")
if not program then skip("no prophet-lua") end
program:close()

local function capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  return pipe:close(), text
end

os.execute(("mkdir -p '%s'"):format(base))
local _, dir = capture(("mktemp -d '%s/prophet-readme-XXXXXX'"):format(base))
dir = dir:gsub("%s+$", "")
assert(os.execute(([[cd '%s' && mkdir -p build home && ln -s '%s' build/release &&
  for f in examples schemas resolvers lua docs quickstart tests bench include; do
    [ -e '%s'/$f ] && ln -s '%s'/$f $f; done; true]]):format(dir, build, source, source)))

-- ---- the blocks ---------------------------------------------------------------------------------------

local blocks, current, excused, number = {}, nil, false, 0
for line in readme:lines() do
  number = number + 1
  local fence = line:match("^```(%w*)")
  if current and line:match("^```%s*$") then
    blocks[#blocks + 1] = current
    current = nil
  elseif current then
    current[#current + 1] = line
  elseif fence then
    current = { kind = fence, line = number, excused = excused }
    excused = false
  elseif line:match("^<!%-%- not run: .+%-%->") then
    excused = true
  elseif line:match("%S") then
    excused = false
  end
end
readme:close()

local passed, failed = 0, 0
local function result(block, ok, text)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    print(("FAILED README.md:%d\n%s"):format(block.line, text))
  end
end

local function run(block, name, interpreter, text)
  local path = ("%s/home/%s"):format(dir, name)
  local f = assert(io.open(path, "w"))
  f:write(text, "\n")
  f:close()
  local environment = "env -u LUA_PATH -u LUA_CPATH -u PROPHET_DB PATH='" .. build .. "':\"$PATH\" HOME='" .. dir .. "/home'"
  result(block, capture(("cd '%s' && %s %s '%s' 2>&1 </dev/null"):format(dir, environment, interpreter, path)))
end

-- Leaves out what is run elsewhere, after a look whether it is there.
local function shell_text(block)
  local lines = {}
  for _, line in ipairs(block) do
    local word = line:match("^%$?%s*(%S+)") or ""
    if not ELSEWHERE[word] then
      lines[#lines + 1] = (line:gsub("^%$ ", ""))
    elseif word:find("/") then
      local f = io.open(source .. "/" .. word)
      result(block, f ~= nil, word .. " is not there")
      if f then f:close() end
    end
  end
  return table.concat(lines, "\n")
end

for i, block in ipairs(blocks) do
  if not block.excused then
    if block.kind == "sh" then
      local text = shell_text(block)
      if text:match("%S") then run(block, i .. ".sh", "sh -e", text) end
    elseif block.kind == "lua" then
      run(block, i .. ".lua", "prophet-lua", table.concat(block, "\n"))
    end
  end
end

os.execute(("rm -rf '%s'"):format(dir))
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0)
