package gallery

// MaxGuests is for tests to lower.
var MaxGuests = &maxGuests
