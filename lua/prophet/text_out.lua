--- text_out: where long text goes: to a function, a file, a path, or back as one string.

local e = require "prophet.error"

local M = {}

local function write_to(file, path)
  return function(chunk)
    local ok, why = file:write(chunk)
    if not ok then e.raise { code = "io", message = ("cannot write %s: %s"):format(path or "a file", why) } end
  end
end

local function to_path(path, run)
  local file, why = io.open(path, "wb")
  if not file then e.raise { code = "io", message = ("cannot write %s"):format(why), value = path } end
  local closing <close> = file
  run(write_to(file, path))
  local ok, reason = closing:close()
  if not ok then e.raise { code = "io", message = ("cannot write %s: %s"):format(path, reason), value = path } end
end

--- Calls run(sink). `to`: nil (the text is given back), a function, a path, or something with write.
---@param to any
---@param run fun(sink: fun(chunk: string))
---@return string?
function M.run(to, run)
  if to == nil then
    local parts = {}
    run(function(chunk) parts[#parts + 1] = chunk end)
    return table.concat(parts)
  end
  if type(to) == "function" then return run(to) end
  if type(to) == "string" then
    if not io then e.raise { code = "untrusted", message = "writing a file is out of reach of a sealed script" } end
    return to_path(to, run)
  end
  return run(write_to(to))
end

return M
