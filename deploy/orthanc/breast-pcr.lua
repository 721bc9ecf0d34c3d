-- Sends each series of a study that has become stable to the trigger, once, and again when it has grown.
--
-- Results come back into the study and make it stable again: they are known by their Manufacturer and stay where they
-- are. What fails to be sent is sent when the study is next stable; the trigger's `reconcile` asks for the rest.

local MODALITY = 'breast-pcr'
local OURS = 'breast-pcr'
local SENT = '/metadata/SentToBreastPcr'

local function Sent(series)
  for _, name in pairs(ParseJson(RestApiGet('/series/' .. series .. '/metadata'))) do
    if name == 'SentToBreastPcr' then
      return tonumber(RestApiGet('/series/' .. series .. SENT))
    end
  end
  return 0
end

function OnStableStudy(studyId, tags, metadata)
  local resources = {}
  for _, series in pairs(ParseJson(RestApiGet('/studies/' .. studyId .. '/series'))) do
    local count = #series['Instances']
    if series['MainDicomTags']['Manufacturer'] ~= OURS and Sent(series['ID']) ~= count then
      RestApiPut('/series/' .. series['ID'] .. SENT, tostring(count))
      table.insert(resources, series['ID'])
    end
  end
  if #resources > 0 then
    local job = { Resources = resources, Asynchronous = true }
    RestApiPost('/modalities/' .. MODALITY .. '/store', DumpJson(job, true))
  end
end

function OnJobFailure(jobId)
  local job = ParseJson(RestApiGet('/jobs/' .. jobId))
  if job['Type'] == 'DicomModalityStore' then
    for _, series in pairs(job['Content']['ParentResources'] or {}) do
      RestApiDelete('/series/' .. series .. SENT)
    end
  end
end
