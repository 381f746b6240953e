--- prophet undo

local take_back = require "prophet.cli.take_back"

return {
  name = "undo", summary = "take back the last change that was made here",
  about = "The last changeset of this replica that changed records, by whoever; undo again takes the undo back.",
  run = function(ctx)
    local db = ctx:open()
    return take_back.run(ctx, db, function() return db:undo() end)
  end,
}
