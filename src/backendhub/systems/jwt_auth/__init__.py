"""Sign-up to second factors on the wire of Supabase Auth (GoTrue), over the accounts that all systems share."""
