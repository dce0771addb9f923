"""What on-call does: find drift, repair it with a reason, and leave a record."""
