//! Disk images: partition table, boot slots, ESP.
