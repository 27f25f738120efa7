-- Orthanc hands every CT series to pnetkit when nothing more of it has come for a while (StableAge).
-- orthanc.json: "LuaScripts": ["/etc/orthanc/pnetkit.lua"],
--               "DicomModalities": {"pnetkit": ["PNETKIT", "127.0.0.1", 11112]}
-- Results are no CT, so what pnetkit sends back does not go round in circles; a series that is sent twice is one.
function OnStableSeries(seriesId, tags, metadata)
  if tags['Modality'] == 'CT' then
    local wanted = { ['Resources'] = { seriesId }, ['Synchronous'] = false }
    RestApiPost('/modalities/pnetkit/store', DumpJson(wanted, false))
  end
end
