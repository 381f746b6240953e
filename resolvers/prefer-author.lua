-- prefer-author: the value of the first of some authors who wrote one.
--
-- Copy this file into your own resolvers, and write who is to be preferred, first the one who counts most, and
-- the fields this is about:
local authors = {} -- { "ann@example.org", "bob@example.org" }
local on = { "*" }

local function vote(c)
  for _, author in ipairs(authors) do
    for _, cand in ipairs(c.candidates) do
      if cand.author == author then return cand, "written by " .. author end
    end
  end
  return nil, #authors == 0 and "no author is preferred: edit the list in the file" or "by none of the preferred authors"
end

return { name = "prefer-author", version = 1, on = on, vote = vote }
