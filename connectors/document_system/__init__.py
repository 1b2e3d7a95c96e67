"""The province's document management system: monthly totals under an agreement."""
